"""Logits for many examples, in batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from theseus_plugin.contract import Features
    from theseus_plugin.onnx.parity import Batch


def predict(
    run: Callable[[Batch], np.ndarray],
    examples: Sequence[Features],
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]],
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of all examples, in their order.

    Args:
        run: gives the logits of a batch.
        examples: tokenised, with labels.
        collate: makes a batch of them; see `TaskData`.
        batch_size: examples per batch; they are of similar length, the longest first, so that memory fails early.
    """
    order = sorted(range(len(examples)), key=lambda i: -len(examples[i].get("input_ids", ())))
    logits, labels = [], []
    for start in range(0, len(order), batch_size):
        batch = collate([examples[i] for i in order[start : start + batch_size]])
        labels.append(batch.pop("labels"))
        logits.append(run(batch))
    back = np.argsort(order)
    return np.concatenate(logits)[back], np.concatenate(labels)[back]
