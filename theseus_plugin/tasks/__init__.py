"""Where examples and the metric come from."""
