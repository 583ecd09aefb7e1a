"""A toy: a random GPT-2 of four small blocks, with a tokenizer trained on the film reviews it is to learn.

    python examples/causal_lm.py runs/causal_lm      # writes model/, train.csv and validation.csv

Eleven thousand reviews teach it the commonest words and little else; it shows the task, not a language model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from reviews import reviews, write_texts
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

VOCABULARY, LENGTH, END = 4000, 64, "<|endoftext|>"


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of the training texts, without a padding token, as GPT-2's."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    backend.train_from_iterator((text for split, _, text in reviews() if split == "train"), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        eos_token=END,
        bos_token=END,
    )


def main(folder: Path) -> None:
    """Write the texts and the random model."""
    write_texts(folder)
    made = tokenizer()
    sizes = {"n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": LENGTH}
    end = made.eos_token_id
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(made), bos_token_id=end, eos_token_id=end, **sizes)).save_pretrained(
        folder / "model"
    )
    made.save_pretrained(folder / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
