"""Batches of similar length: little padding, and still a random order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Sampler, Subset

from theseus_plugin.contract import Features, TaskData
from theseus_plugin.lengths import lengths

_POOL = 50
"""Groups sorted together. Large enough that a group is nearly of one length, small against the data set."""


class SimilarLengthBatches(Sampler[list[int]]):
    """Yields lists of indices. Each epoch shuffles the examples, sorts pools of them by length, cuts the pools into
    groups of `batch_size * processes` and shuffles the groups. A group is handed out as `processes` consecutive
    batches, so that all ranks of a step get examples of one length and the group does not depend on their number.
    """

    drop_last = False

    def __init__(self, sizes: Sequence[int], batch_size: int, processes: int, seed: int) -> None:
        self.lengths = torch.as_tensor(sizes)
        self.batch_size = batch_size
        self.processes = processes
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        size = self.batch_size * self.processes
        groups = []
        for pool in torch.split(order, size * _POOL):
            by_length = pool[self.lengths[pool].argsort(descending=True, stable=True)]
            groups += list(torch.split(by_length, size))
        # The short group goes last: Accelerate completes the last batches of an epoch, and only those.
        short = [group for group in groups if len(group) < size]
        full = [group for group in groups if len(group) == size]
        shuffled = [full[i] for i in torch.randperm(len(full), generator=generator).tolist()]
        for group in shuffled + short:
            yield from (batch.tolist() for batch in torch.split(group, self.batch_size))


def training_loader(
    data: TaskData, batch_size: int, processes: int, seed: int
) -> tuple[DataLoader[Features], SimilarLengthBatches]:
    """Loader of the training split, and its sampler, whose `epoch` decides the order.

    The loader sees the examples without their `set_epoch`: Accelerate would call it with a count of its own, which
    starts at 0 again in a resumed run.

    A loader draws a seed whenever it starts over. From a generator of its own: else a resumed run, which starts over at
    another time, would have other dropout.
    """
    examples = data.splits["train"]
    sampler = SimilarLengthBatches(lengths(examples), batch_size, processes, seed)
    without_hooks: Subset[Features] = Subset(examples, range(len(examples)))  # type: ignore[arg-type]
    loader: DataLoader[Features] = DataLoader(
        without_hooks,
        batch_sampler=sampler,
        collate_fn=_tensors(data),
        generator=torch.Generator(),
    )
    return loader, sampler


def evaluation_loader(data: TaskData, split: str, batch_size: int) -> DataLoader[Features]:
    """Loader of a split from the longest example to the shortest: a batch too large for the memory fails at once."""
    examples = data.splits[split]
    sizes = lengths(examples)
    order = sorted(range(len(examples)), key=lambda i: -sizes[i])
    by_length: Subset[Features] = Subset(examples, order)  # type: ignore[arg-type]
    return DataLoader(by_length, batch_size=batch_size, collate_fn=_tensors(data), generator=torch.Generator())


def _tensors(data: TaskData) -> Callable[[Sequence[Features]], dict[str, torch.Tensor]]:
    return lambda examples: {name: torch.from_numpy(array) for name, array in data.collate(examples).items()}
