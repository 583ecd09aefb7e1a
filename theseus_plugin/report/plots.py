"""The plots of a report, as HTML figures with SVG in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from theseus_plugin.report.drawing import (
    SOFT,
    STYLE,
    framed,
    look,
    new_figure,
    number_ends,
    number_points,
    svg,
    swatch,
)
from theseus_plugin.report.recommend import KEEP
from theseus_plugin.report.record import Bench
from theseus_plugin.report.timing import OWN_EXAMPLES, Ratio, Shape

Point = tuple[float, float]
"""A cost, better if smaller, and a score, better if larger unless it is said otherwise."""


def plots(bench: Bench) -> list[str]:
    """Metric against latency and bytes, curves over length and batch, and ratios to the first model.

    Each only if the models have what it needs.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return [drawn for plot in PLOTS if (drawn := plot(bench))]


def swatches(count: int) -> list[str]:
    """The look of each model in the plots.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return [swatch(at) for at in range(count)]


def frontier(points: Sequence[Point], lower_is_better: bool = False) -> list[Point]:
    """The points of which no other is at least as good in both values and better in one, by rising cost."""
    sign = -1 if lower_is_better else 1
    result: list[Point] = []
    for point in sorted(set(points), key=lambda point: (point[0], -sign * point[1])):
        if not result or sign * point[1] > sign * result[-1][1]:
            result.append(point)
    return result


def metric_and_latency(bench: Bench) -> str | None:
    """The task's metric over the latency that models are ranked by; None where either is missing."""
    shape = bench.reference
    if shape is None:
        return None
    timings = [model.timings.get(shape) for model in bench.models]
    axis = "median ms per example" if shape == OWN_EXAMPLES else f"median ms, {shape.name}"
    ranked = [model.comparable and not model.unpaired for model in bench.models]
    return _against(
        bench, [timing.median_ms if timing else None for timing in timings], ranked, "latency", axis, shape.where
    )


def metric_and_bytes(bench: Bench) -> str | None:
    """The task's metric over the size on disk; None where either is missing."""
    costs = [None if model.size.bytes is None else model.size.bytes / 1e6 for model in bench.models]
    ranked = [model.ok and not model.unpaired for model in bench.models]
    return _against(bench, costs, ranked, "size", "MB on disk", "on disk")


def lengths(bench: Bench) -> str | None:
    """Latency over length, one text at a time; None where no model was timed at two lengths."""
    places = {shape: shape.length for shape in bench.shapes if shape.batch == 1 and shape.length}
    caption = "Latency by length, one text at a time. Lower is better."
    return _curves(bench, places, lambda _, ms: ms, "lengths", ("tokens", "median ms"), caption)


def batches(bench: Bench) -> str | None:
    """Texts per second over batch size, at the length that was timed with the most of them.

    None where no model was timed with two.
    """
    by_length: dict[int | None, dict[Shape, int]] = {}
    for shape in bench.shapes:
        by_length.setdefault(shape.length, {})[shape] = shape.batch
    length, places = max(by_length.items(), key=lambda item: (len(item[1]), item[0] or 0), default=(None, {}))
    what = f"texts of {length} tokens" if length else "real examples"
    caption = f"Throughput by batch size, {what}. Higher is better."
    axes = ("batch size", "examples per second")
    return _curves(bench, places, lambda batch, ms: 1000 * batch / ms, "batches", axes, caption)


def speedups(bench: Bench) -> str | None:
    """How many times as fast as the first, shape by shape, beside the noise; None where there is nothing to compare."""
    groups = []
    for shape in bench.models[0].timings if bench.models else ():
        found = [
            (at, timing, timing.ratio)
            for at, model in enumerate(bench.models)
            if model.comparable and (timing := model.timings.get(shape)) and timing.ratio
        ]
        if found:
            groups.append((shape, found))
    if not groups:
        return None
    lines = sum(len(found) + 1 for _, found in groups)
    figure, axes = new_figure(0.6 + 0.19 * lines)
    y = 0
    ticks: dict[int, str] = {}
    for shape, found in groups:
        ticks[y] = shape.name
        noise = found[0][1].noise
        if noise is not None:
            axes.fill_betweenx([y + 0.5, y + len(found) + 0.5], 1 / (1 + noise), 1 + noise, color=SOFT, alpha=0.3, lw=0)
        for at, timing, ratio in found:
            y += 1
            ticks[y] = str(at + 1)
            _ratio(axes, y, at, ratio, filled=timing.differs)
        y += 1
    axes.axvline(1, color=SOFT, linewidth=0.8, zorder=0)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(y - 0.4, -0.6)
    axes.margins(x=0.05)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.16 * (high - low))
    axes.set_xlabel("times as fast as the first model")
    return framed(
        svg(figure, "ratios", "Times as fast as the first model"),
        "Times as fast as the first model, with 95 % intervals. Grey band: noise. Hollow: no clear difference.",
    )


PLOTS = (metric_and_latency, metric_and_bytes, lengths, batches, speedups)
"""In the order of the page."""


def _against(
    bench: Bench, costs: Sequence[float | None], ranked: Sequence[bool], subject: str, axis: str, place: str
) -> str | None:
    """The metric over a cost that is better if smaller; the frontier is that of the `ranked` models."""
    metric = next((model.accuracy.metric for model in bench.models if model.accuracy), "")
    points = [
        (at, cost, model.scores[metric])
        for at, (model, cost) in enumerate(zip(bench.models, costs, strict=True))
        if cost is not None and metric in model.scores
    ]
    if not points:
        return None
    shown = points[0][2].scale
    figure, axes = new_figure(2.9)
    for at, x, score in points:
        style = look(at)
        ends = [shown.factor * end for end in score.interval or ()]
        axes.plot([x] * len(ends), ends, "-_", color=style.colour, linewidth=1, markersize=5, zorder=1)
        axes.plot(x, shown.factor * score.value, style.marker, color=style.colour, zorder=3)
    best = frontier([(x, shown.factor * score.value) for at, x, score in points if ranked[at]], shown.lower_is_better)
    axes.plot(*zip(*best, strict=True), color=SOFT, linewidth=0.8, drawstyle="steps-post", zorder=0)
    first = bench.models[0].scores.get(metric)
    floor = shown.factor * shown.floor(first.value, KEEP) if first and first.value > 0 else None
    if floor is not None:
        axes.axhline(floor, color=SOFT, linewidth=0.8, linestyle=":", zorder=0)
    axes.margins(x=0.12, y=0.12)
    if max(x for _, x, _ in points) > 1.25 * min(x for _, x, _ in points):
        axes.set_xlim(0, axes.get_xlim()[1])
    axes.set_xlabel(f"{axis}; left is better")
    axes.set_ylabel(f"{shown.heading}; {'down' if shown.lower_is_better else 'up'} is better")
    number_points(figure, axes, [(str(at + 1), x, shown.factor * score.value) for at, x, score in points])
    caption = f"{metric} against {subject} {place}. Whiskers: 95 % interval. Line: no model is better in both."
    dotted = "" if floor is None else f" Dotted: {100 * KEEP:g} % of the first model's {metric}."
    return framed(svg(figure, subject, f"{metric} against {subject}"), caption + dotted)


def _curves(
    bench: Bench,
    places: Mapping[Shape, int],
    value: Callable[[int, float], float],
    key: str,
    axis_labels: tuple[str, str],
    caption: str,
) -> str | None:
    """A curve of every model that was timed at two of the `places` on the x axis: there its `value` of x and ms."""
    curves = {}
    for at, model in enumerate(bench.models):
        found = sorted((x, value(x, t.median_ms)) for shape, x in places.items() if (t := model.timings.get(shape)))
        if len(found) > 1:
            curves[at] = found
    if not curves:
        return None
    figure, axes = new_figure(2.7)
    for at, points in curves.items():
        style = look(at)
        axes.plot(*zip(*points, strict=True), style.line, marker=style.marker, color=style.colour)
    axes.set_xscale("log", base=2)
    xs = sorted({x for points in curves.values() for x, _ in points})
    axes.set_xlim(xs[0] / 1.2, xs[-1] * (xs[-1] / xs[0]) ** 0.14)
    shown = xs[:1]
    for x in xs[1:]:
        if x / shown[-1] > (xs[-1] / xs[0]) ** 0.1:  # else its number would touch that before it
            shown.append(x)
    axes.set_xticks(shown, [str(x) for x in shown])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis_labels[0])
    axes.set_ylabel(axis_labels[1])
    number_ends(figure, axes, [(str(at + 1), *points[-1]) for at, points in curves.items()])
    return framed(svg(figure, key, caption), caption)


def _ratio(axes: Any, y: int, at: int, ratio: Ratio, filled: bool) -> None:
    """A model's ratio and its interval, in a line of its own; hollow where it is no clear difference."""
    style = look(at)
    low, high = ratio.interval or (ratio.median, ratio.median)
    axes.plot([low, high], [y, y], "-", color=style.colour)
    fill = style.colour if filled else "none"
    axes.plot(ratio.median, y, style.marker, color=style.colour, markerfacecolor=fill, markersize=5)
    axes.annotate(f"{ratio.median:.2f}", (high, y), (7, 0), textcoords="offset points", va="center", fontsize=8.5)
