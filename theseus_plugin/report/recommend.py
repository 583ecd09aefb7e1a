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
from collections.abc import Sequence
from dataclasses import dataclass

from theseus_plugin.report.record import Bench, Model, Score
from theseus_plugin.report.sentences import kept
from theseus_plugin.report.timing import Ratio, Shape, Timing

KEEP = 0.99
"""Share of the first model's score that has to be kept: the floor of MLPerf Inference."""


@dataclass(frozen=True)
class _Candidate:
    """A model that may take the place of the first."""

    model: Model
    timing: Timing
    ratio: Ratio
    share: float
    """Of the first model's score, what it keeps."""
    bytes: float
    """Infinite where they were not counted."""


def recommendation(bench: Bench, keep: float = KEEP) -> str | None:
    """Name the model to deploy and say why; the rule stands at the top of this module.

    Args:
        bench: what was measured.
        keep: the share of the first model's score that has to be kept.

    Returns:
        One sentence, or None where accuracy or latency is missing, where there is nothing to choose from, or where
        the first model scores 0 or less, of which no share can be kept.
    """
    shape = bench.reference
    if shape is None:
        return None
    first, *others = bench.models
    if first.accuracy is None:
        return None
    metric = first.accuracy.metric
    best = first.scores.get(metric)
    if not first.comparable or first.unpaired or best is None or best.value <= 0:
        return None
    able = [found for model in others if (found := _candidate(model, shape, metric, best))]
    if not able:
        return None
    good = [one for one in able if one.share >= keep]
    if not good:
        closest = max(able, key=lambda one: one.share)
        return (
            f"Stay with {first.name}: no other model keeps {100 * keep:g} % of its {metric}; "
            f"{closest.model.name} came closest: {_why(first, closest, metric, shape, keep)}."
        )
    better = [one for one in good if _is_better(one, first)]
    if not better:
        closest = _quickest(good)
        return (
            f"Stay with {first.name}: of the models that keep {100 * keep:g} % of its {metric} none is faster; "
            f"{closest.model.name} came closest: {_why(first, closest, metric, shape, keep)}."
        )
    chosen = _quickest(better)
    return f"Deploy {chosen.model.name} instead of {first.name}: {_why(first, chosen, metric, shape, keep)}."


def _candidate(model: Model, shape: Shape, metric: str, best: Score) -> _Candidate | None:
    """The model where it compares with the first, which scores `best`."""
    timing, score = model.timings.get(shape), model.scores.get(metric)
    if not model.comparable or model.unpaired or score is None or timing is None or timing.ratio is None:
        return None
    share = best.scale.kept(best.value, score.value) or 0.0
    return _Candidate(model, timing, timing.ratio, share, _bytes(model))


def _is_better(one: _Candidate, first: Model) -> bool:
    return one.ratio.median > 1 if one.timing.differs else one.bytes < _bytes(first)


def _quickest(candidates: Sequence[_Candidate]) -> _Candidate:
    fastest = min(candidates, key=lambda one: one.timing.median_ms)
    equals = [one for one in candidates if one is fastest or _tie(fastest, one)]
    return min(equals, key=lambda one: (one.bytes, one.timing.median_ms))


def _tie(fastest: _Candidate, other: _Candidate) -> bool:
    """Whether the slower of two is so within the noise."""
    if other.timing.median_ms <= fastest.timing.median_ms * (1 + (fastest.timing.noise or 0)):
        return True
    ours, theirs = fastest.ratio.interval, other.ratio.interval
    return ours is not None and theirs is not None and ours[0] <= theirs[1]


def _bytes(model: Model) -> float:
    return math.inf if model.size.bytes is None else model.size.bytes


def _unproven(best: Score, score: Score, keep: float) -> bool:
    """Whether a difference is within what may be lost, but its interval is not."""
    if score.difference is None:
        return False
    apart, (low, high) = score.difference.value, score.difference.interval
    allowed = best.scale.floor(best.value, keep) - best.value
    return apart <= allowed < high if best.scale.lower_is_better else low < allowed <= apart


def _why(first: Model, chosen: _Candidate, metric: str, shape: Shape, keep: float) -> str:
    """Metric, speed and size of the chosen one against the first model."""
    model = chosen.model
    parts = [kept(first, model, metric) or ""]
    if model.accuracy and _unproven(first.scores[metric], model.scores[metric], keep):
        parts[0] += f", though {model.accuracy.examples} examples do not prove that {100 * keep:g} % are kept"
    speed = f"{chosen.ratio.median:.2f} times as fast{chosen.ratio.behind} {shape.where}"
    parts.append(speed if chosen.timing.differs else f"no clear difference in speed {shape.where}")
    if model.size.bytes is not None and first.size.bytes:
        ours, theirs = model.size.bytes, first.size.bytes
        parts.append(f"{100 * ours / theirs:.0f} % of the bytes ({ours / 1e6:.1f} of {theirs / 1e6:.1f} MB)")
    return "; ".join(parts)
