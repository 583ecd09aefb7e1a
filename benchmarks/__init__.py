"""Suites that answer a question; `python -m benchmarks` lists them. Their records are committed."""
