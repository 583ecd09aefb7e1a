"""A task as a third party writes it: texts whose tokens depend on the epoch, in a split that is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theseus_plugin.contract import Features, Task, TaskData


class Turning(Sequence[Features]):
    """24 examples that are others in every epoch; `told`: what `set_epoch` was called with."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0
        self.told: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.told.append(epoch)

    def __len__(self) -> int:
        return 24

    def __getitem__(self, at: Any) -> Any:
        if at >= len(self):
            raise IndexError
        drawn = np.random.default_rng((self.seed, self.epoch, at)).integers(5, 60, 6 + at % 3)
        return {"input_ids": drawn.tolist(), "labels": int(drawn[0] % 2)}


class Toy(Task):
    """Whether the first token's number is odd."""

    name = "toy"
    summary = "odd or even"
    auto_class = "AutoModelForSequenceClassification"

    class Config:
        """No options."""

        def model_dump(self, **_: Any) -> dict[str, Any]:
            return {}

    def __init__(self) -> None:
        self.config = self.Config()
        self.made: list[Turning] = []

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        found = {split: Turning(seed) for seed, split in enumerate(splits)}
        self.made += found.values()
        return TaskData(
            splits=found,
            collate=self._stacked,
            score=lambda logits, labels: {"accuracy": float((logits.argmax(1) == labels).mean())},
            metric="accuracy",
            head={"num_labels": 2},
        )

    @staticmethod
    def _stacked(examples: Sequence[Features]) -> dict[str, np.ndarray]:
        length = max(len(example["input_ids"]) for example in examples)
        rows = [example["input_ids"] + [0] * (length - len(example["input_ids"])) for example in examples]
        mask = [[1] * len(example["input_ids"]) + [0] * (length - len(example["input_ids"])) for example in examples]
        labels = [example["labels"] for example in examples]
        return {"input_ids": np.array(rows), "attention_mask": np.array(mask), "labels": np.array(labels)}
