"""Ways to look into a command while it runs, by what it is given and by PyTorch's own hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import PreTrainedModel

from theseus_plugin.contract import Features, Task, TaskData
from theseus_plugin.recipe import Recipe


class WatchedRecipe(Recipe):
    """A recipe whose task's data pass through `change` as soon as they are loaded."""

    change: Callable[[TaskData], TaskData]

    def create_task(self) -> Task:
        """See `Recipe.create_task`."""
        return _ChangedTask(super().create_task(), self.change)


class _ChangedTask(Task):
    def __init__(self, task: Task, change: Callable[[TaskData], TaskData]) -> None:
        self._task, self._change = task, change

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        return self._change(self._task.load(checkpoint, splits, new_head))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def without_lengths(data: TaskData) -> TaskData:
    """The same data, but training examples do not say how long they are, as images do not: their batches are random."""
    told, untold = "input_ids", "tokens"

    def renamed(example: Features, before: str, after: str) -> Features:
        return {after if name == before else name: value for name, value in example.items()}

    def collate(examples: Sequence[Features]) -> dict[str, np.ndarray]:
        return data.collate([renamed(example, untold, told) for example in examples])

    train = [renamed(example, told, untold) for example in data.splits["train"]]
    return replace(data, splits={**data.splits, "train": train}, collate=collate)


@contextmanager
def before_passes(act: Callable[[PreTrainedModel, Mapping[str, Tensor]], None]) -> Iterator[None]:
    """Call `act` with the model and its batch before every forward pass in training.

    Of the first model that runs: a method evaluates the model that it is going to train before anything else.
    """

    def each(model: nn.Module, _: Any, batch: dict[str, Any]) -> None:
        if model.training:
            act(model, batch)

    def find(module: nn.Module, _: Any) -> None:
        if isinstance(module, PreTrainedModel):
            search.remove()
            watches.append(module.register_forward_pre_hook(each, with_kwargs=True))

    watches: list[Any] = []
    search = register_module_forward_pre_hook(find)
    try:
        yield
    finally:
        for hook in (search, *watches):
            hook.remove()
