"""What a finished run writes: weights as the source is saved, formats of a method's own, the model card."""
