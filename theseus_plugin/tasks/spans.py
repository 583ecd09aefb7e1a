"""Entities in tagged words, and what is counted of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from theseus_plugin.contract import IGNORED

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def is_tagging(names: Sequence[str]) -> bool:
    """Whether all classes are `O`, `B-` or `I-` with a kind of entity behind it."""
    return all(re.fullmatch(r"O|[BI]-.+", name) for name in names)


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """The entities of a sentence in IOB2, as (first word, word after the last, kind).

    An I- that continues nothing begins an entity, as with seqeval's default and the CoNLL script.
    """
    found, begin, kind = set(), 0, None
    for place, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        if mark == "I" and name == kind:
            continue
        if kind is not None:
            found.add((begin, place, kind))
        begin, kind = place, None if mark == "O" else name
    return found


@dataclass(frozen=True)
class WordCounts:
    """The `reduce` of token classification: counts of each example, of which sums make the metrics."""

    names: tuple[str, ...]
    """The classes in id order."""

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of (words tagged right, entities found, of these right), and of (words, entities).

        Args:
            logits: of shape (batch, length, classes).
            labels: of shape (batch, length), `IGNORED` where there is nothing to tag.
        """
        import torch

        rows, answers = [], []
        for given, right in zip(logits.argmax(-1).tolist(), labels.tolist(), strict=True):
            pairs = [(g, r) for g, r in zip(given, right, strict=True) if r != IGNORED]
            found, there = (spans([self.names[pair[side]] for pair in pairs]) for side in (0, 1))
            rows.append((sum(g == r for g, r in pairs), len(found), len(found & there)))
            answers.append((len(pairs), len(there)))
        return torch.tensor(rows, device=logits.device), torch.tensor(answers, device=labels.device)


def word_accuracy(rows: np.ndarray, answers: np.ndarray) -> float:
    """Share of words with the right tag."""
    return _share(rows[:, 0].sum(), answers[:, 0].sum())


def span_f1(rows: np.ndarray, answers: np.ndarray) -> float:
    """F1 of whole entities, all kinds together; 0 where there is none and none is found."""
    found, right, there = rows[:, 1].sum(), rows[:, 2].sum(), answers[:, 1].sum()
    return _share(2 * right, found + there)


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
