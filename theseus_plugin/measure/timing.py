"""Timing of calls, and the rule that says when there are enough of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

NS = 1_000_000_000


@dataclass(frozen=True)
class Rule:
    """When a phase ends."""

    min_seconds: float
    """Steady calls go on for at least this time ..."""
    min_count: int
    """... and for at least this number."""
    warmup_seconds: float
    """Time of the calls before them, which do not count; at least one call."""


def measure(
    call: Callable[[], object], rule: Rule, clock: Callable[[], int] = time.perf_counter_ns
) -> tuple[int, list[int]]:
    """Time `call`: the first call apart, then a warm-up, then steady calls. All in ns of `clock`."""
    first = repeat(call, 0, 1, clock)[0]
    repeat(call, rule.warmup_seconds, 1, clock)
    return first, repeat(call, rule.min_seconds, rule.min_count, clock)


def repeat(
    call: Callable[[], object],
    min_seconds: float,
    min_count: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> list[int]:
    """Durations in ns of calls, until there are both `min_count` of them and `min_seconds` spent in them."""
    durations: list[int] = []
    spent = 0
    while len(durations) < min_count or spent < min_seconds * NS:
        start = clock()
        call()
        durations.append(clock() - start)
        spent += durations[-1]
    return durations


def schedule(models: int, rounds: int) -> list[int]:
    """Which model is measured when: every round has each once, and every second round runs backwards.

    So that a drift of the machine (heat, a neighbour) does not fall on the same model each time.
    """
    return [m for r in range(rounds) for m in (range(models) if r % 2 == 0 else reversed(range(models)))]
