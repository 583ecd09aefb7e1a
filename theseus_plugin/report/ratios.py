"""How many times as fast a model is as the first, and whether that is a difference at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Timed = Mapping[str, Any]
"""What was timed at one shape: `times_as_fast`, and `control` where the first model was timed against itself."""


def noise(timed: Timed) -> float | None:
    """The noise floor as a share: how far the interval of the A/A control reaches from 1, in either direction.

    None without a control.
    """
    if "control" not in timed:
        return None
    low, high = timed["control"]["interval"]
    return max(float(high), 1 / float(low)) - 1


def differs(timed: Timed) -> bool:
    """Whether the ratio is clear, so that its interval leaves 1 out, and its median lies outside the noise."""
    ratio = timed["times_as_fast"]
    floor = 1 + (noise(timed) or 0)
    return ratio.get("clear", True) and not 1 / floor <= ratio["median"] <= floor


def interval(timed: Timed) -> str:
    """` (1.95-2.02)`, to stand behind the median of the ratio; empty where there is none."""
    return (
        " ({:.2f}-{:.2f})".format(*timed["times_as_fast"]["interval"]) if "interval" in timed["times_as_fast"] else ""
    )
