"""Toy tasks: sentences given in the test, and, as a third party writes it, texts whose tokens depend on the epoch, in a
split that is told of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.toy_data import sentences
from theseus_plugin.contract import Features, Task, TaskData
from theseus_plugin.options.validation import Options


class Sentences(Task):
    """Texts and labels given in the test; scored by the share of right labels."""

    name = "sentences"
    summary = "for tests"
    auto_class = "AutoModelForSequenceClassification"
    Config = Options

    def __init__(self, texts: Sequence[str] | None = None, labels: Sequence[Any] | None = None) -> None:
        self.config = Options()
        self.texts = sentences() if texts is None else texts
        self.labels = [i % 2 for i in range(len(self.texts))] if labels is None else labels

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        examples = [{**tokenizer(text), "labels": label} for text, label in zip(self.texts, self.labels, strict=True)]

        def collate(batch):
            width = max(len(e["input_ids"]) for e in batch)
            arrays = {
                name: np.array([e[name] + [0] * (width - len(e[name])) for e in batch], dtype=np.int64)
                for name in batch[0]
                if name != "labels"
            }
            return {**arrays, "labels": np.array([e["labels"] for e in batch])}

        texts = {split: [(text,) for text in self.texts] for split in splits}

        def score(logits, labels):
            return {"accuracy": float((logits.argmax(-1) == labels).mean())}

        return TaskData(dict.fromkeys(splits, examples), collate, score, "accuracy", {"num_labels": 2}, texts=texts)


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
