"""Latency, size and accuracy of models, and the report."""
