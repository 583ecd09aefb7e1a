"""Does replacing keep its promise, against what people would do instead? See `__main__.py`."""
