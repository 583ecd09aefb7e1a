"""The ways to compress: a folder a method, and what several of them learn from."""
