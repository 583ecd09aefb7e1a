"""BERT-ATTACK (Li et al., EMNLP 2020): how easily a classifier is misled by words that a language model would write."""
