"""How many times as fast as the first model the others are, drawn shape by shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theseus_plugin.report.drawing import SOFT, framed, look, new_figure, svg
from theseus_plugin.report.ratios import differs, noise
from theseus_plugin.report.record import TASK, Record, comparable, named, shapes, timed


def speedups(records: Sequence[Record]) -> str | None:
    """How many times as fast as the first, shape by shape, beside the noise; None where there is nothing to compare."""
    groups = []
    for shape in (*shapes(records[:1]), TASK):
        found = [(at, t) for at, r in enumerate(records) if at and comparable(records[0], r) and (t := timed(r, shape))]
        if found:
            groups.append((shape, found))
    if not groups:
        return None
    lines = sum(len(found) + 1 for _, found in groups)
    figure, axes = new_figure(0.6 + 0.19 * lines)
    y = 0
    ticks: dict[int, str] = {}
    for shape, found in groups:
        ticks[y] = named(shape)
        floor = noise(found[0][1])
        if floor is not None:
            axes.fill_betweenx([y + 0.5, y + len(found) + 0.5], 1 / (1 + floor), 1 + floor, color=SOFT, alpha=0.3, lw=0)
        for at, one in found:
            y += 1
            ticks[y] = str(at + 1)
            _ratio(axes, y, at, one)
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


def _ratio(axes: Any, y: int, at: int, one: Any) -> None:
    style, ratio = look(at), one["times_as_fast"]
    low, high = ratio.get("interval", (ratio["median"], ratio["median"]))
    axes.plot([low, high], [y, y], "-", color=style.colour)
    fill = style.colour if differs(one) else "none"
    axes.plot(ratio["median"], y, style.marker, color=style.colour, markerfacecolor=fill, markersize=5)
    axes.annotate(f"{ratio['median']:.2f}", (high, y), (7, 0), textcoords="offset points", va="center", fontsize=8.5)
