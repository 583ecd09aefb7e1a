"""Plugins for toolkits that compress models; `pyproject.toml` registers them."""
