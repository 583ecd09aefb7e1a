"""What is said about timed calls and about scores, and how sure of it one can be.

All intervals hold 95 % and come from the bootstrap (Efron, 1979) with a fixed seed: the same figures give the same
interval. Timed calls are resampled by rounds, not one by one: calls of a round share the state the machine was in.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

P90_COUNT, P99_COUNT = 64, 662
"""Calls below which a percentile is not given. The least n for which, were a share of 10 % (1 %) or more of all calls
slower than some time, seeing at most one such call among n would have a chance under 1 % (binomial bound)."""
CLEAR_ROUNDS = 5
"""Rounds below which no ratio is called clear: resampling one or two of them knows of no other outcome."""
RESAMPLES = 1000
_TABLE = 4_000_000  # numbers in one table of resampled calls: bounds the memory

Rounds = Sequence[Sequence[float]]
"""Durations in ms of the calls of each round."""
Score = Callable[[np.ndarray, np.ndarray], dict[str, float]]
"""Metrics by name from (logits, labels), as in `TaskData.score`."""


def summary(rounds: Rounds) -> dict[str, Any]:
    """Median with its interval, median absolute deviation, number of calls, medians by round; p90 and p99 where
    there are calls enough for them.
    """
    calls = np.concatenate([np.asarray(r, dtype=float) for r in rounds])
    median = float(np.median(calls))
    record: dict[str, Any] = {
        "median_ms": median,
        "interval_ms": interval(_resampled_medians(rounds)),
        "mad_ms": float(np.median(np.abs(calls - median))),
        "count": len(calls),
        "round_medians_ms": round_medians(rounds),
    }
    for percent, count in ((90, P90_COUNT), (99, P99_COUNT)):
        if len(calls) >= count:
            record[f"p{percent}_ms"] = float(np.percentile(calls, percent))
    return record


def ratio(first: Rounds, other: Rounds) -> dict[str, Any]:
    """How many times as fast `other` is as `first`.

    The ratio of medians within each round, so that a drift of the machine over the rounds cancels; their median; its
    interval; and `clear`: that excludes 1, and there were rounds enough.
    """
    ratios = np.array(round_medians(first)) / np.array(round_medians(other))
    draws = np.random.default_rng(0).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = interval(np.median(ratios[draws], axis=1))
    return {
        "median": float(np.median(ratios)),
        "interval": [low, high],
        "rounds": ratios.tolist(),
        "clear": len(ratios) >= CLEAR_ROUNDS and not low <= 1 <= high,
    }


def round_medians(rounds: Rounds) -> list[float]:
    """Median of each round."""
    return [float(np.median(calls)) for calls in rounds]


def interval(values: np.ndarray) -> list[float]:
    """The middle 95 % of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def mean_interval(values: np.ndarray) -> list[float]:
    """Interval of the mean of some values, drawn with replacement."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return interval(values[draws].mean(axis=1))


def drawn_examples(count: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[np.ndarray]:
    """Positions of as many examples as there are, drawn with replacement, `resamples` times.

    They depend on the number of examples and on `seed` only, so that what two models score can be paired.
    """
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield random.integers(count, size=count)


def resampled_scores(
    score: Score, logits: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, np.ndarray]:
    """Metrics on each of `drawn_examples`, by metric; NaN where one cannot be judged."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of draws that happen to hold one class only
        for drawn in drawn_examples(len(labels), resamples, seed):
            try:
                rows.append(score(logits[drawn], labels[drawn]))
            except ValueError:  # what sklearn and scipy raise where a metric is not defined
                rows.append({})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=float) for name in names}


def intervals(scores: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Interval of each resampled metric, draws that could not be judged left out; none where no draw could be."""
    judged = {name: values[~np.isnan(values)] for name, values in scores.items()}
    return {name: interval(values) for name, values in judged.items() if len(values)}


def paired_interval(
    score: Score,
    logits_a: np.ndarray,
    logits_b: np.ndarray,
    labels: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Interval of the difference a minus b of each metric, both judged on the same draws of examples."""
    a = resampled_scores(score, logits_a, labels, resamples, seed)
    b = resampled_scores(score, logits_b, labels, resamples, seed)
    return paired_intervals(a, b)


def paired_intervals(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """`paired_interval` of scores that were resampled before, on the same draws."""
    return intervals({name: a[name] - b[name] for name in a if name in b})


def _resampled_medians(rounds: Rounds) -> np.ndarray:
    """Medians of all calls of rounds drawn with replacement.

    Not the calls are drawn but how often each round counts, so that they are sorted once: the median is where the
    running sum of these weights, in order of duration, passes the middle.
    """
    calls = np.concatenate([np.asarray(r, dtype=float) for r in rounds])
    order = np.argsort(calls)
    calls, origin = calls[order], np.repeat(np.arange(len(rounds)), [len(r) for r in rounds])[order]
    random = np.random.default_rng(0)
    share = np.full(len(rounds), 1 / len(rounds))
    medians = []
    for start in range(0, RESAMPLES, step := max(1, _TABLE // len(calls))):
        weights = random.multinomial(len(rounds), share, size=min(step, RESAMPLES - start))
        running = np.cumsum(weights[:, origin], axis=1)
        total = running[:, -1:]
        below = np.argmax(running >= (total + 1) // 2, axis=1)
        above = np.argmax(running >= total // 2 + 1, axis=1)
        medians.append((calls[below] + calls[above]) / 2)
    return np.concatenate(medians)
