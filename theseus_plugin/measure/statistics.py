"""What is said about timed calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

P90_COUNT = 64
"""Calls below which no 90th percentile is given: fewer do not bound it with 99 % confidence."""

Rounds = Sequence[Sequence[float]]
"""Durations in ms of the calls of each round."""


def summary(rounds: Rounds) -> dict[str, Any]:
    """Median, median absolute deviation, number of calls, p90 where there are enough, and medians by round.

    `spread` is how far the rounds' medians lie apart, as a share of their median: what this machine makes of
    one and the same model.
    """
    calls = np.concatenate([np.asarray(r, dtype=float) for r in rounds])
    median = float(np.median(calls))
    medians = round_medians(rounds)
    record: dict[str, Any] = {
        "median_ms": median,
        "mad_ms": float(np.median(np.abs(calls - median))),
        "count": len(calls),
        "round_medians_ms": medians,
        "spread": (max(medians) - min(medians)) / float(np.median(medians)),
    }
    if len(calls) >= P90_COUNT:
        record["p90_ms"] = float(np.percentile(calls, 90))
    return record


def times_as_fast(first: Rounds, other: Rounds) -> dict[str, Any]:
    """How many times as fast `other` is as `first`: the ratio of medians in each round, and over rounds."""
    ratios = [a / b for a, b in zip(round_medians(first), round_medians(other), strict=True)]
    return {"rounds": ratios, "median": float(np.median(ratios)), "min": min(ratios), "max": max(ratios)}


def round_medians(rounds: Rounds) -> list[float]:
    """Median of each round."""
    return [float(np.median(calls)) for calls in rounds]
