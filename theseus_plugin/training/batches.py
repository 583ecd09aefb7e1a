"""The order of the training batches, which can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator, skip_first_batches

from theseus_plugin.contract import IGNORED, TaskData
from theseus_plugin.training.batching import training_loader
from theseus_plugin.training.config import TrainingConfig

Batch = dict[str, torch.Tensor]


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
        self.epoch, self.taken = epoch, taken
        self._batches = self._one_epoch(taken)

    def take(self, count: int) -> list[Batch]:
        """The next batches."""
        return [self._take() for _ in range(count)]

    def _take(self) -> Batch:
        if self._batches is None:
            self.start_at(0, 0)
        assert self._batches is not None
        batch = next(self._batches, None)
        while batch is None:
            self._next_epoch()
            batch = next(self._batches, None)
        self.taken += 1
        return batch

    def _next_epoch(self) -> None:
        self.start_at(self.epoch + 1, 0)

    def _one_epoch(self, skip: int) -> Iterator[Batch]:
        self._sampler.epoch = self.epoch
        if hasattr(self._examples, "set_epoch"):
            self._examples.set_epoch(self.epoch)
        if skip == len(self):  # the next epoch begins when its first batch is asked for, as in a run that went on
            return iter(())
        loader: Any = skip_first_batches(self._loader, skip) if skip else self._loader
        return iter(loader)


def labelled(batch: Batch) -> torch.Tensor:
    """How many of a batch's labels count in its loss, which is their mean; a scalar on the device."""
    return (batch["labels"] != IGNORED).sum()
