"""The plots of a report, as SVG to put into its page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from theseus_plugin.measure.rows import Record, shapes

COLOURS = ("#4c78a8", "#e4853c", "#54a24b", "#b279a2", "#d5585b", "#72b7b2", "#9d755d", "#bab0ac")
_INK = "#010203"
"""Stands for the colour of the page's text, which changes between light and dark."""


def plots(records: Sequence[Record]) -> list[str]:
    """Accuracy against latency, and latency by shape; each only if the records have what it needs.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "theseus",
        "text.parse_math": False,
        "font.family": "sans-serif",
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        return [drawn for drawn in (_accuracy(records), _latency(records)) if drawn]


def _accuracy(records: Sequence[Record]) -> str | None:
    from matplotlib.figure import Figure

    have = [r for r in records if "accuracy" in r and "latency" in r]
    if not have:
        return None
    shape, metric = shapes(have)[-1], have[0]["accuracy"]["metric"]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for at, record in enumerate(records):
        if record in have:
            x = record["latency"]["shapes"][shape]["median_ms"]
            y = record["accuracy"]["metrics"][metric]
            axes.plot(x, y, "o", markersize=9, color=COLOURS[at % len(COLOURS)], label=_short(record["model"]))
    axes.margins(x=0.1, y=0.25)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"ms per call of {shape} (batch x length), median; left is faster")
    axes.set_ylabel(f"{metric}, up is better")
    axes.legend(frameon=False)
    return _svg(figure, f"{metric} against latency")


def _latency(records: Sequence[Record]) -> str | None:
    from matplotlib.figure import Figure

    columns = shapes(records)
    if not columns:
        return None
    figure = Figure(figsize=(7, 1.1 + 0.9 * len(records)), layout="constrained")
    # one small plot per shape: their times differ by orders of magnitude
    for place, shape in enumerate(columns, start=1):
        axes = figure.add_subplot(1, len(columns), place)
        for at, record in enumerate(records):
            timed = record.get("latency", {}).get("shapes", {}).get(shape)
            if timed:
                bar = axes.barh(at, timed["median_ms"], color=COLOURS[at % len(COLOURS)])
                axes.bar_label(bar, fmt="%.3g", label_type="center", color="white")
        axes.set_title(shape, fontsize=10)
        names = [_short(record["model"]) for record in records] if place == 1 else []
        axes.set_yticks(range(len(records)) if place == 1 else [], names)
        axes.set_ylim(len(records) - 0.4, -0.6)
    figure.supxlabel("median ms per call; shorter is faster", fontsize=10, color=_INK)
    return _svg(figure, "Milliseconds per call by shape")


def _short(name: str) -> str:
    """The end of a long path, which is what tells models apart."""
    return name if len(name) <= 28 else f"...{name[-25:]}"


def _svg(figure: Any, label: str) -> str:
    """The bare `svg` element: no prolog and no metadata, which name addresses on the web."""
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    svg = stream.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace(_INK, "currentColor")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
