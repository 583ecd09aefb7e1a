"""What a model does by default and must not do while it trains here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel


@contextmanager
def trainable_settings(model: PreTrainedModel) -> Iterator[None]:
    """Within the block `model` keeps no cache of keys and values, and leaves out no layer of its own accord.

    A cache is numbered by block, and modules mix blocks of both models. LayerDrop would draw on each process anew,
    on top of our draws. Both are set back, so that they are saved as they were.
    """
    # T5's stacks have configs of their own
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}.values()
    changed: list[tuple[Any, str, Any]] = [
        (config, "use_cache", False) for config in configs if getattr(config, "use_cache", False)
    ]
    changed += [(part, "layerdrop", 0.0) for part in model.modules() if getattr(part, "layerdrop", 0)]
    before = [getattr(place, name) for place, name, _ in changed]
    for place, name, value in changed:
        setattr(place, name, value)
    try:
        yield
    finally:
        for (place, name, _), value in zip(changed, before, strict=True):
            setattr(place, name, value)
