"""What a checkpoint has to pass when it is loaded: its configuration, its files, its tokenizer, its weights."""
