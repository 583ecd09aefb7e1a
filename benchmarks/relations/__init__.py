"""Relation prediction with compressed encoders, and how fast it is. See `__main__.py`."""
