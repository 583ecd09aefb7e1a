"""What is different while a model trains here: no cache is kept, no layer is dropped, and dropout is a faster one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.library import Library
from transformers import PreTrainedModel

_LEVELS = 1 << 16
"""Of a dropout mask's random numbers: a probability is met to half of one of them, 1/131072."""


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


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Within the block `bernoulli_`, from which every dropout on the CPU takes its mask, costs a sixth.

    PyTorch draws one random number of a sequential generator for each element of a mask, which is a tenth of the time
    of a training step. 16 bits an element, drawn 64 at a time, are enough. The bits depend on PyTorch's own generator,
    so that seeds and checkpoints of it hold as before.
    """
    library = Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is overridden, which is what is wanted
        library.impl("bernoulli_.float", _bernoulli, "CPU")  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        library._destroy()  # type: ignore[no-untyped-call]


def _bernoulli(self: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Fill with ones of probability `p`, as `Tensor.bernoulli_`."""
    count = self.numel()
    seed = int(torch.empty((), dtype=torch.int64).random_(generator=generator))
    words = np.random.Generator(np.random.SFC64(seed)).integers(0, 2**64, -(-count // 4), dtype=np.uint64)
    ones = words.view(np.uint16)[:count] < round(p * _LEVELS)
    return self.copy_(torch.from_numpy(ones).view(self.shape))
