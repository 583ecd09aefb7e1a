"""What a model says to many examples, in batches that waste little on padding; and how long examples are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.finite import require_finite

if TYPE_CHECKING:
    from theseus_plugin.contract import Features
    from theseus_plugin.vocabulary import Batch


def predict(
    name: str,
    answer: Callable[[Batch, np.ndarray], tuple[np.ndarray, ...]],
    examples: Sequence[Features],
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]],
    batch_size: int = 32,
    first: int = 1,
) -> tuple[np.ndarray, ...]:
    """What `TaskData.score` takes, and whatever else `answer` gives, of all examples in their order.

    Args:
        name: the model, for messages.
        answer: gives of a batch and its labels which of its rows are `finite_rows`, the reduced logits and labels (see
            `TaskData.reduced`), and more arrays of a row an example.
        examples: with labels.
        collate: makes a batch of them; see `TaskData`.
        batch_size: examples per batch; they are of similar length, the longest first, so that memory fails early.
        first: number of the first example, for messages.

    Raises:
        NotFinite: some logits are not finite.
    """
    sizes = lengths(examples)
    order = sorted(range(len(examples)), key=lambda i: -sizes[i])
    answers = []
    for start in range(0, len(order), batch_size):
        batch = collate([examples[i] for i in order[start : start + batch_size]])
        labels = batch.pop("labels")
        answers.append(answer(batch, labels))
    back = np.argsort(order)
    finite, *parts = (np.concatenate(part)[back] for part in zip(*answers, strict=True))
    require_finite(name, finite, range(first, first + len(finite)))
    return tuple(parts)


def has_tokens(examples: Sequence[Features]) -> bool:
    """Whether examples are token ids, so that they have a length; images have none."""
    return "input_ids" in examples[0]


def lengths(examples: Sequence[Features]) -> list[int]:
    """Length in tokens of each example; 0 for all where they have none. Images, which are made when they are asked
    for, are not made for this.
    """
    return [len(example["input_ids"]) for example in examples] if has_tokens(examples) else [0] * len(examples)
