"""All knowledge of the inside of a transformers model."""
