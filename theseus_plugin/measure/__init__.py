"""Latency, memory, size and accuracy of models, each in a process of its own."""
