"""Adapters for toolkits that do not read entry points."""
