"""What many attacks say of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from theseus_plugin.bert_attack.search import Outcome
from theseus_plugin.measure.statistics import mean_interval


@dataclass(frozen=True)
class Attacked:
    """One example and what came of it."""

    number: int
    """Of the example in the task's validation split, from 0."""
    texts: tuple[str, ...]
    side: int
    """Which of the texts was attacked."""
    label: int
    outcome: Outcome
    similarity: float | None
    """Of the changed text to the original; None where nothing was changed."""
    least: float
    """The similarity below which a change does not count."""

    @property
    def misled(self) -> bool:
        """Whether the attack succeeded, and the changed text is similar enough."""
        return self.outcome.status == "success" and (self.similarity is None or self.similarity >= self.least)

    @property
    def right_before(self) -> bool:
        """Whether the model named the true class of the original."""
        return self.outcome.before == self.label

    @property
    def changed(self) -> float:
        """The share of words that were changed."""
        return len(self.outcome.changes) / max(1, len(self.outcome.text.words))

    def record(self, names: Sequence[str]) -> dict[str, Any]:
        """As a line of JSON; classes by name."""
        outcome = self.outcome
        status = "success" if self.misled else "failure" if outcome.status == "success" else outcome.status
        reason = "not similar enough" if status != outcome.status else outcome.reason
        return {
            "example": self.number,
            "status": status,
            "reason": reason,
            "label": names[self.label],
            "before": names[outcome.before],
            "after": names[outcome.after],
            "texts": list(self.texts),
            "changed": str(outcome.text),
            "side": self.side,
            "changes": [asdict(change) for change in outcome.changes],
            "queries": outcome.queries,
            "evaluated": outcome.evaluated,
            "similarity": None if self.similarity is None else round(self.similarity, 4),
        }


def summary(attacked: Sequence[Attacked]) -> dict[str, Any]:
    """The figures of a model with their intervals (95 %, examples drawn with replacement).

    `original_accuracy` and `attacked_accuracy` are over all examples; `success_rate`, `queries` and `evaluated` over
    those that the model got right and that were attacked; `changed_words` and `similarity` over the successes alone.
    """
    tried = [one for one in attacked if one.right_before and one.outcome.status != "skipped"]
    misled = [one for one in tried if one.misled]
    values: Mapping[str, Sequence[float]] = {
        "original_accuracy": [one.right_before for one in attacked],
        "attacked_accuracy": [one.right_before and not one.misled for one in attacked],
        "success_rate": [one.misled for one in tried],
        "changed_words": [one.changed for one in misled],
        "similarity": [one.similarity for one in misled if one.similarity is not None],
        "queries": [one.outcome.queries for one in tried],
        "evaluated": [one.outcome.evaluated for one in tried],
    }
    known = {name: np.array(of, dtype=float) for name, of in values.items() if len(of)}
    return {
        "examples": len(attacked),
        "attacked": len(tried),
        "successes": len(misled),
        **{name: float(of.mean()) for name, of in known.items()},
        "intervals": {name: mean_interval(of) for name, of in known.items()},
        "skipped": dict(Counter(one.outcome.reason for one in attacked if one.outcome.status == "skipped")),
    }
