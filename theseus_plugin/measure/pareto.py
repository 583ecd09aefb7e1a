"""Metric against what it costs, with the models that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.measure.drawing import SOFT, framed, look, new_figure, number_points, svg
from theseus_plugin.measure.figures import TASK, Record, comparable, is_ok, named, reference, score, timed, where
from theseus_plugin.measure.recommend import KEEP

Point = tuple[float, float]
"""A cost, better if smaller, and a score, better if larger."""


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points of which no other is at least as good in both figures and better in one, by rising cost."""
    result: list[Point] = []
    for point in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not result or point[1] > result[-1][1]:
            result.append(point)
    return result


def metric_and_latency(records: Sequence[Record]) -> str | None:
    """The task's metric over the latency that models are ranked by; None where either is missing."""
    shape = reference(records)
    if shape is None:
        return None
    costs = [(timed(record, shape) or {}).get("median_ms") for record in records]
    axis = "median ms per example" if shape == TASK else f"median ms, {named(shape)}"
    ranked = [comparable(records[0], record) for record in records]
    return _against(records, costs, ranked, "latency", axis, where(shape))


def metric_and_bytes(records: Sequence[Record]) -> str | None:
    """The task's metric over the size on disk; None where either is missing."""
    costs = [record["size"]["bytes"] / 1e6 if "size" in record else None for record in records]
    return _against(records, costs, [is_ok(record) for record in records], "size", "MB on disk", "on disk")


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
    points = [
        (at, cost, 100 * value)
        for at, (record, cost) in enumerate(zip(records, costs, strict=True))
        if cost is not None and (value := score(record, metric)) is not None
    ]
    if not points:
        return None
    figure, axes = new_figure(2.9)
    for at, x, y in points:
        style = look(at)
        ends = [100 * end for end in records[at]["accuracy"].get("intervals", {}).get(metric, ())]
        axes.plot([x] * len(ends), ends, "-_", color=style.colour, linewidth=1, markersize=5, zorder=1)
        axes.plot(x, y, style.marker, color=style.colour, zorder=3)
    best = frontier([(x, y) for at, x, y in points if ranked[at]])
    axes.plot(*zip(*best, strict=True), color=SOFT, linewidth=0.8, drawstyle="steps-post", zorder=0)
    first = score(records[0], metric) or 0
    if first > 0:
        axes.axhline(100 * KEEP * first, color=SOFT, linewidth=0.8, linestyle=":", zorder=0)
    axes.margins(x=0.12, y=0.12)
    if max(x for _, x, _ in points) > 1.25 * min(x for _, x, _ in points):
        axes.set_xlim(0, axes.get_xlim()[1])
    axes.set_xlabel(f"{axis}; left is better")
    axes.set_ylabel(f"{metric} x 100; up is better")
    number_points(figure, axes, [(str(at + 1), x, y) for at, x, y in points])
    caption = f"{metric} against {subject} {place}. Whiskers: 95 % interval. Line: no model is better in both."
    kept = f" Dotted: {100 * KEEP:g} % of the first model's {metric}." if first > 0 else ""
    return framed(svg(figure, subject, f"{metric} against {subject}"), caption + kept)
