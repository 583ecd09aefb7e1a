"""Metric against what it costs, with the models that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.report.drawing import SOFT, framed, look, new_figure, number_points, svg
from theseus_plugin.report.recommend import KEEP
from theseus_plugin.report.record import (
    TASK,
    Record,
    comparable,
    is_ok,
    metric_scale,
    named,
    reference,
    score,
    timed,
    unpaired,
    where,
)

Point = tuple[float, float]
"""A cost, better if smaller, and a score, better if larger unless it is said otherwise."""


def frontier(points: Sequence[Point], lower_is_better: bool = False) -> list[Point]:
    """The points of which no other is at least as good in both figures and better in one, by rising cost."""
    sign = -1 if lower_is_better else 1
    result: list[Point] = []
    for point in sorted(set(points), key=lambda point: (point[0], -sign * point[1])):
        if not result or sign * point[1] > sign * result[-1][1]:
            result.append(point)
    return result


def metric_and_latency(records: Sequence[Record]) -> str | None:
    """The task's metric over the latency that models are ranked by; None where either is missing."""
    shape = reference(records)
    if shape is None:
        return None
    costs = [(timed(record, shape) or {}).get("median_ms") for record in records]
    axis = "median ms per example" if shape == TASK else f"median ms, {named(shape)}"
    ranked = [comparable(records[0], record) and not unpaired(record) for record in records]
    return _against(records, costs, ranked, "latency", axis, where(shape))


def metric_and_bytes(records: Sequence[Record]) -> str | None:
    """The task's metric over the size on disk; None where either is missing."""
    costs = [record["size"]["bytes"] / 1e6 if "size" in record else None for record in records]
    return _against(
        records, costs, [is_ok(record) and not unpaired(record) for record in records], "size", "MB on disk", "on disk"
    )


def _against(
    records: Sequence[Record],
    costs: Sequence[float | None],
    ranked: Sequence[bool],
    subject: str,
    axis: str,
    place: str,
) -> str | None:
    """The metric over a cost that is better if smaller; the frontier is that of the `ranked` models."""
    metric = next((r["accuracy"]["metric"] for r in records if "accuracy" in r), None)
    if metric is None:
        return None
    shown = metric_scale(next(r for r in records if "accuracy" in r), metric)
    points = [
        (at, cost, shown.factor * value)
        for at, (record, cost) in enumerate(zip(records, costs, strict=True))
        if cost is not None and (value := score(record, metric)) is not None
    ]
    if not points:
        return None
    figure, axes = new_figure(2.9)
    for at, x, y in points:
        style = look(at)
        ends = [shown.factor * end for end in records[at]["accuracy"].get("intervals", {}).get(metric, ())]
        axes.plot([x] * len(ends), ends, "-_", color=style.colour, linewidth=1, markersize=5, zorder=1)
        axes.plot(x, y, style.marker, color=style.colour, zorder=3)
    best = frontier([(x, y) for at, x, y in points if ranked[at]], shown.lower_is_better)
    axes.plot(*zip(*best, strict=True), color=SOFT, linewidth=0.8, drawstyle="steps-post", zorder=0)
    first = score(records[0], metric) or 0
    if first > 0:
        axes.axhline(shown.factor * shown.floor(first, KEEP), color=SOFT, linewidth=0.8, linestyle=":", zorder=0)
    axes.margins(x=0.12, y=0.12)
    if max(x for _, x, _ in points) > 1.25 * min(x for _, x, _ in points):
        axes.set_xlim(0, axes.get_xlim()[1])
    axes.set_xlabel(f"{axis}; left is better")
    axes.set_ylabel(f"{shown.heading}; {'down' if shown.lower_is_better else 'up'} is better")
    number_points(figure, axes, [(str(at + 1), x, y) for at, x, y in points])
    caption = f"{metric} against {subject} {place}. Whiskers: 95 % interval. Line: no model is better in both."
    kept = f" Dotted: {100 * KEEP:g} % of the first model's {metric}." if first > 0 else ""
    return framed(svg(figure, subject, f"{metric} against {subject}"), caption + kept)
