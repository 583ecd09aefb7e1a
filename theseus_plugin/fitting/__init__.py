"""The ways to make a predecessor."""
