"""How the values of a metric are shown and compared.

A metric is a share, or a correlation: more is better, it is shown x 100, and one loses points of it. But of those
that a task names in `lower_is_better`, such as perplexity, less is better: they are shown as they are, and one loses
per cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scale:
    """The scale of one metric."""

    name: str
    """The metric."""
    lower_is_better: bool

    @property
    def factor(self) -> int:
        """What a value is multiplied with to be shown."""
        return 1 if self.lower_is_better else 100

    @property
    def heading(self) -> str:
        """The metric's name, for a column or an axis of what is shown."""
        return self.name if self.lower_is_better else f"{self.name} x 100"

    @property
    def unit(self) -> str:
        """What `lost` counts."""
        return "per cent" if self.lower_is_better else "points"

    def text(self, value: float, template: str = ".2f") -> str:
        """A value, or a difference of two, as it is shown."""
        return format(self.factor * value, template)

    def lost(self, before: float, after: float) -> float:
        """How much worse `after` is: points (hundredths); per cent of `before` where less is better."""
        return 100 * (after / before - 1) if self.lower_is_better else 100 * (before - after)

    def kept(self, before: float, after: float) -> float | None:
        """The share of `before` that `after` keeps, 1 or more if nothing is lost; None of a value of 0 or less."""
        if before <= 0:
            return None
        return before / after if self.lower_is_better else after / before

    def floor(self, before: float, keep: float) -> float:
        """The value that keeps the share `keep` of `before`."""
        return before / keep if self.lower_is_better else before * keep


def scale(record: Mapping[str, Any], metric: str) -> Scale:
    """The scale of a metric in a record that names those of which less is better; one without such a list has none."""
    lower: Iterable[str] = record.get("lower_is_better", ())
    return Scale(metric, metric in lower)
