"""Suites that answer a question; each is `python -m benchmarks.<suite>`, with its results committed as JSON."""
