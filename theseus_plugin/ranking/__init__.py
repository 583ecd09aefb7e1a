"""Ranks candidate facts of a knowledge graph by what a model says of the paths between their entities (BERTRL)."""
