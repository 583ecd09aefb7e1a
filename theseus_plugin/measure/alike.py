"""Whether two models are asked about the same examples, so that what they say may be paired.

Each model reads the task's files with its own tokenizer. The rows of a classifier are the same examples however they
are cut into tokens; the examples of a language model are tokens, and where these differ nothing can be paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.contract import IGNORED

if TYPE_CHECKING:
    from theseus_plugin.contract import TaskData
    from theseus_plugin.vocabulary import Batch


@dataclass(frozen=True)
class Asked:
    """What a model is asked, example by example."""

    marks: np.ndarray
    """(examples, 2); see `marks`."""
    texts: Sequence[tuple[str, ...]] | None
    """Of the examples; None: the task tells none."""


def marks(batch: Batch, labels: np.ndarray, data: TaskData) -> np.ndarray:
    """Of each example of a batch two hashes of what is asked, (examples, 2): by the ids of its classes, which heads may
    number differently, and by their names, which heads may lack.

    Labels that are `IGNORED` are not asked about. Where labels are one a token and no classes, they are tokens
    themselves, and so are the examples: their inputs count too.
    """
    names = {int(at): str(name).casefold() for at, name in dict(data.head.get("id2label") or {}).items()}
    ids = batch.get("input_ids") if labels.ndim > 1 and not names else None
    mask = batch.get("attention_mask")
    found = np.zeros((len(labels), 2), dtype=np.uint64)
    for at, row in enumerate(labels.reshape(len(labels), -1)):
        asked = row[row != IGNORED].tolist()
        tokens = [] if ids is None else ids[at][slice(None) if mask is None else mask[at] != 0].tolist()
        found[at] = _hash([asked, tokens]), _hash([[names.get(one, one) for one in asked], tokens])
    return found


def unlike(first: Asked, other: Asked) -> str | None:
    """Why examples are not those of the first model, in words; None: they are the same."""
    count, expected = len(other.marks), len(first.marks)
    if count != expected:
        return f"{count:,} examples, not {expected:,}"
    if first.texts is not None and other.texts is not None:
        texts = sum(ours != theirs for ours, theirs in zip(first.texts, other.texts, strict=True))
        if texts:
            return f"other texts in {texts:,} of {count:,} examples"
    others = int((first.marks != other.marks).sum(axis=0).min())
    return f"other tokens or labels in {others:,} of {count:,} examples" if others else None


def _hash(value: object) -> int:
    return int.from_bytes(blake2b(repr(value).encode(), digest_size=8).digest())
