"""What several methods learn from: another model's logits, hidden states and attention."""
