"""Latency over the length of texts, and throughput over how many are in a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from theseus_plugin.measure.inputs import parse_shape
from theseus_plugin.report.drawing import framed, look, new_figure, number_ends, svg
from theseus_plugin.report.record import Record, shapes, timed


def lengths(records: Sequence[Record]) -> str | None:
    """Latency over length, one text at a time; None where no model was timed at two lengths."""
    places = {s: length for s in shapes(records) for batch, length in [parse_shape(s)] if batch == 1 and length}
    caption = "Latency by length, one text at a time. Lower is better."
    return _drawn("lengths", _curves(records, places, lambda _, ms: ms), ("tokens", "median ms"), caption)


def batches(records: Sequence[Record]) -> str | None:
    """Texts per second over batch size, at the length that was timed with the most of them.

    None where no model was timed with two.
    """
    by_length: dict[int | None, dict[str, int]] = {}
    for shape in shapes(records):
        batch, length = parse_shape(shape)
        by_length.setdefault(length, {})[shape] = batch
    length, places = max(by_length.items(), key=lambda item: (len(item[1]), item[0] or 0), default=(None, {}))
    what = f"texts of {length} tokens" if length else "real examples"
    curves = _curves(records, places, lambda batch, ms: 1000 * batch / ms)
    caption = f"Throughput by batch size, {what}. Higher is better."
    return _drawn("batches", curves, ("batch size", "examples per second"), caption)


def _curves(
    records: Sequence[Record], places: dict[str, int], value: Callable[[int, float], float]
) -> dict[int, list[tuple[int, float]]]:
    """Per model that has two points or more, by its place: its (x, y), from the smallest x."""
    curves = {}
    for at, record in enumerate(records):
        found = sorted((x, value(x, t["median_ms"])) for s, x in places.items() if (t := timed(record, s)))
        if len(found) > 1:
            curves[at] = found
    return curves


def _drawn(
    key: str, curves: dict[int, list[tuple[int, float]]], axis_labels: tuple[str, str], caption: str
) -> str | None:
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
