"""Adapters for toolkits that do not read our entry points, each for every registered method at once."""
