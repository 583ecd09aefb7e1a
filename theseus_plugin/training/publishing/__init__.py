"""What a finished run writes: weights as the source is saved, a model card, and a folder that is read back."""
