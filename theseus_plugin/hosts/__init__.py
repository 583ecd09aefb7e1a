"""Adapters for toolkits that do not read entry points, each for every registered method at once."""
