"""Compress fine-tuned transformers by progressive module replacing, and measure what that bought."""

__version__ = "0.1.0"
