"""The batches of training and of evaluation, and which of their labels count.

Training batches come in a random order, are of similar length, so that little is padding, and can be taken up anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, skip_first_batches
from torch.utils.data import DataLoader, Sampler, Subset

from theseus_plugin.contract import IGNORED, Features, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.predict import lengths
from theseus_plugin.training.config import TrainingConfig

Batch = dict[str, torch.Tensor]
_POOL = 50
"""Groups sorted together. Large enough that a group is nearly of one length, small against the data set."""


class BatchStream:
    """Training batches of this process without end, each epoch in an order of its own.

    Attributes:
        epoch: passes over the training set that are complete.
        taken: batches taken in the present one.
    """

    def __init__(self, data: TaskData, config: TrainingConfig, accelerator: Accelerator) -> None:
        loader, self._sampler = training_loader(data, config.batch_size, accelerator.num_processes, config.seed)
        self._loader = accelerator.prepare_data_loader(loader)
        self._examples = data.splits["train"]
        self.epoch = 0
        self.taken = 0
        self._batches: Iterator[Batch] | None = None

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._loader)

    def start_at(self, epoch: int, taken: int) -> None:
        """Go on after `taken` batches of `epoch`, without reading them."""
        self.epoch, self.taken, self._batches = epoch, taken, None

    def tell_epoch(self) -> None:
        """Tell the examples again what epoch this is, if it has begun: another stream of the same ones was read."""
        if self._batches is not None:
            self._tell_epoch()

    def take(self, count: int) -> list[Batch]:
        """The next batches."""
        return [self._take() for _ in range(count)]

    def _take(self) -> Batch:
        batch = next(self._begun(), None)
        while batch is None:
            self.start_at(self.epoch + 1, 0)
            batch = next(self._begun(), None)
        self.taken += 1
        return batch

    def _begun(self) -> Iterator[Batch]:
        """What is left of the present epoch, which begins when its first batch is asked for."""
        if self._batches is None:
            self._batches = self._one_epoch(self.taken)
        return self._batches

    def _tell_epoch(self) -> None:
        if hasattr(self._examples, "set_epoch"):
            self._examples.set_epoch(self.epoch)

    def _one_epoch(self, skip: int) -> Iterator[Batch]:
        self._sampler.epoch = self.epoch
        self._tell_epoch()
        if skip == len(self):  # the next epoch begins when its first batch is asked for, as in a run that went on
            return iter(())
        loader: Any = skip_first_batches(self._loader, skip) if skip else self._loader
        return iter(loader)


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


def labelled(batch: Batch) -> torch.Tensor:
    """How many of a batch's labels count in its loss, which is their mean; a scalar on the device.

    Labels that are no classes all count: -100 is a target as any other.
    """
    labels = batch["labels"]
    if labels.is_floating_point():
        return torch.tensor(labels.numel(), device=labels.device)
    return (labels != IGNORED).sum()


def answerable(batch: Batch, count: torch.Tensor) -> Batch:
    """The batch for a loss that is to weigh nothing where `count`, of its labels that count, is 0.

    The mean over no label is NaN, also times 0. Leaving the pass out would leave this process without the gradients
    that the others sum. So every label becomes class 0, which any head has.
    """
    labels = batch["labels"]
    return {**batch, "labels": torch.where(count > 0, labels, torch.zeros_like(labels))}


def refuse_unlabelled(data: TaskData) -> None:
    """See that every split has a label that counts. The first example that has one is the last that is looked at.

    Raises:
        UserError: a split has none, so there would be nothing to train on or to score.
    """
    for split, examples in data.splits.items():
        if not any(_counts(example["labels"]) for example in examples):
            raise UserError(
                f"{split}: none of its {len(examples):,} examples has a label that counts (all are {IGNORED}, as where"
                " the tokenizer gives no token for any word): check its texts and labels"
            )


def _tensors(data: TaskData) -> Callable[[Sequence[Features]], dict[str, torch.Tensor]]:
    return lambda examples: {name: torch.from_numpy(array) for name, array in data.collate(examples).items()}


def _counts(labels: Any) -> bool:
    values = np.asarray(labels)
    return bool(values.size) and (values.dtype.kind == "f" or bool((values != IGNORED).any()))
