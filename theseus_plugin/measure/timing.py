"""Timing of calls, and the rules that say when there are enough of them. Times are ns of an injected clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

NS = 1_000_000_000
STEADY_CALLS, STEADY_VARIATION = 10, 0.05
"""Warm-up is over when the standard deviation of the last ten calls is under a twentieth of their mean. (Their range
would be a stricter rule than a shared machine can meet: the time limit would then end every warm-up.)"""

Call = Callable[[], object]
Clock = Callable[[], int]


def once(calls: Sequence[Call], clock: Clock = time.perf_counter_ns) -> list[int]:
    """Duration of each call, made once."""
    durations = []
    for call in calls:
        start = clock()
        call()
        durations.append(clock() - start)
    return durations


def warm_up(call: Call, max_seconds: float, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Durations of calls until they are steady, or until `max_seconds` are spent in them."""
    durations: list[int] = []
    spent = 0
    while spent < max_seconds * NS and not _steady(durations):
        durations += once([call], clock)
        spent += durations[-1]
    return durations


def repeat(calls: Sequence[Call], min_seconds: float, min_count: int, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Durations of whole passes over `calls`, until there are both `min_count` passes and `min_seconds` spent."""
    durations: list[int] = []
    spent = 0
    while len(durations) < min_count * len(calls) or spent < min_seconds * NS:
        durations += (one := once(calls, clock))
        spent += sum(one)
    return durations


def _steady(durations: Sequence[int]) -> bool:
    last = durations[-STEADY_CALLS:]
    return len(last) == STEADY_CALLS and float(np.std(last)) < STEADY_VARIATION * float(np.mean(last))
