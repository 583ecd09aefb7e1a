"""What a model says to many examples, in batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.lengths import lengths

if TYPE_CHECKING:
    from theseus_plugin.contract import Features
    from theseus_plugin.onnx.parity import Batch


def predict(
    answer: Callable[[Batch, np.ndarray], tuple[np.ndarray, np.ndarray]],
    examples: Sequence[Features],
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]],
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """What `TaskData.score` takes, of all examples in their order.

    Args:
        answer: gives the reduced logits and labels of a batch and its labels; see `TaskData.reduced`.
        examples: with labels.
        collate: makes a batch of them; see `TaskData`.
        batch_size: examples per batch; they are of similar length, the longest first, so that memory fails early.
    """
    sizes = lengths(examples)
    order = sorted(range(len(examples)), key=lambda i: -sizes[i])
    answers = []
    for start in range(0, len(order), batch_size):
        batch = collate([examples[i] for i in order[start : start + batch_size]])
        labels = batch.pop("labels")
        answers.append(answer(batch, labels))
    back = np.argsort(order)
    logits, all_labels = zip(*answers, strict=True)
    return np.concatenate(logits)[back], np.concatenate(all_labels)[back]
