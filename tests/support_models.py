"""A small task for the tests of export and measurement: sentences of words of every length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny import WORDS
from theseus_plugin.contract import Task, TaskData
from theseus_plugin.validation import Options


def sentences(count: int = 37, longest: int = 40) -> list[str]:
    words = random.Random(0)
    return [" ".join(words.choices(WORDS, k=words.randint(1, longest))) for _ in range(count)]


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


def torch_logits(checkpoint: str | Path, texts: Sequence[str]) -> np.ndarray:
    """Logits of each text alone, by the stock model: no padding, no batch, nothing of ours."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        return np.concatenate([model(**tokenizer(text, return_tensors="pt")).logits.numpy() for text in texts])
