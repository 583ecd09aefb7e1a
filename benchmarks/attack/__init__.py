"""Is a successor as robust as its predecessor, and how fast is the attack? See `__main__.py`."""
