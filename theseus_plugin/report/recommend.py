"""Which of the models to deploy, in one sentence.

The rule: of the models that were measured like the first, on the same examples, and keep at least 99 % of its score in
the task's metric (where less is better: whose score times 0.99 is at most that of the first), the one with the lowest
median latency. Latency is that on the task's own examples if they were timed, else at the shape with the most tokens. A
model is as good as the fastest if the intervals of their ratios to the first overlap, or if it is slower by no more
than the noise floor: among those the one with the fewest bytes is chosen.
Nothing is recommended that is not clearly faster than the first, or smaller without a clear difference in speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from theseus_plugin.report.findings import kept
from theseus_plugin.report.labels import labels
from theseus_plugin.report.ratios import differs, interval, noise
from theseus_plugin.report.record import Record, comparable, metric_scale, reference, score, timed, unpaired, where

KEEP = 0.99
"""Share of the first model's score that has to be kept: the floor of MLPerf Inference."""


def recommendation(records: Sequence[Record], keep: float = KEEP) -> str | None:
    """Name the model to deploy and say why; the rule stands at the top of this module.

    Args:
        records: the `models` that `bench` gives.
        keep: the share of the first model's score that has to be kept.

    Returns:
        One sentence, or None where accuracy or latency is missing, where there is nothing to choose from, or where
        the first model scores 0 or less, of which no share can be kept.
    """
    shape = reference(records)
    if shape is None or "accuracy" not in records[0]:
        return None
    metric = records[0]["accuracy"]["metric"]
    able = [
        r
        for r in records
        if comparable(records[0], r) and score(r, metric) is not None and not unpaired(r) and timed(r, shape)
    ]
    best = score(records[0], metric)
    if len(able) < 2 or able[0] is not records[0] or best is None or best <= 0:
        return None
    names = {id(record): name for name, record in zip(labels(records), records, strict=True)}
    first, *others = able
    good = [r for r in others if _share(first, r, metric) >= keep]
    if not good:
        closest = max(others, key=lambda r: _share(first, r, metric))
        return (
            f"Stay with {names[id(first)]}: no other model keeps {100 * keep:g} % of its {metric}; "
            f"{names[id(closest)]} came closest: {_why(first, closest, metric, shape, keep)}."
        )
    better = [r for r in good if _is_better(first, r, shape)]
    if not better:
        closest = _quickest(good, shape)
        return (
            f"Stay with {names[id(first)]}: of the models that keep {100 * keep:g} % of its {metric} none is faster; "
            f"{names[id(closest)]} came closest: {_why(first, closest, metric, shape, keep)}."
        )
    chosen = _quickest(better, shape)
    return f"Deploy {names[id(chosen)]} instead of {names[id(first)]}: {_why(first, chosen, metric, shape, keep)}."


def _share(first: Record, record: Record, metric: str) -> float:
    """The share of the first model's score that a model keeps."""
    before, after = score(first, metric), score(record, metric)
    return 0.0 if before is None or after is None else metric_scale(first, metric).kept(before, after) or 0.0


def _is_better(first: Record, record: Record, shape: str) -> bool:
    found = timed(record, shape) or {}
    if differs(found):
        return bool(found["times_as_fast"]["median"] > 1)
    return _bytes(record) < _bytes(first)


def _quickest(records: Sequence[Record], shape: str) -> Record:
    fastest = min(records, key=lambda r: _median(r, shape))
    equals = [r for r in records if r is fastest or _tie(fastest, r, shape)]
    return min(equals, key=lambda r: (_bytes(r), _median(r, shape)))


def _tie(fastest: Record, record: Record, shape: str) -> bool:
    """Whether the slower of two is so within the noise."""
    found = timed(fastest, shape) or {}
    if _median(record, shape) <= _median(fastest, shape) * (1 + (noise(found) or 0)):
        return True
    ratios = [(timed(r, shape) or {})["times_as_fast"] for r in (fastest, record)]
    if not all("interval" in ratio for ratio in ratios):
        return False
    return bool(ratios[0]["interval"][0] <= ratios[1]["interval"][1])


def _bytes(record: Record) -> float:
    return float(record.get("size", {}).get("bytes", math.inf))


def _median(record: Record, shape: str) -> float:
    return float((timed(record, shape) or {})["median_ms"])


def _unproven(first: Record, apart: Mapping[str, Any], metric: str, keep: float) -> bool:
    """Whether a difference is within what may be lost, but its interval is not."""
    before, shown = score(first, metric) or 0, metric_scale(first, metric)
    allowed = shown.floor(before, keep) - before
    if shown.lower_is_better:
        return bool(apart["value"] <= allowed < apart["interval"][1])
    return bool(apart["interval"][0] < allowed <= apart["value"])


def _why(first: Record, record: Record, metric: str, shape: str, keep: float) -> str:
    """Metric, speed and size of `record` against the first model."""
    parts = [kept(first, record, metric) or ""]
    apart = record["accuracy"].get("difference", {}).get(metric)
    if apart is not None and _unproven(first, apart, metric, keep):
        count = record["accuracy"]["examples"]
        parts[0] += f", though {count} examples do not prove that {100 * keep:g} % are kept"
    found = timed(record, shape) or {}
    speed = f"{found['times_as_fast']['median']:.2f} times as fast{interval(found)} {where(shape)}"
    parts.append(speed if differs(found) else f"no clear difference in speed {where(shape)}")
    if "size" in first and "size" in record:
        ours, theirs = record["size"]["bytes"], first["size"]["bytes"]
        parts.append(f"{100 * ours / theirs:.0f} % of the bytes ({ours / 1e6:.1f} of {theirs / 1e6:.1f} MB)")
    return "; ".join(parts)
