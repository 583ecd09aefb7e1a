"""How plots look: one marker per model, numbers that do not overlap, SVG that takes the colours of the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

COLOURS = ("#4579b2", "#c8701f", "#3f8f45", "#a563a0", "#cc5257", "#2f8f8a", "#94705c", "#7c7f86")
MARKERS = ("o", "s", "^", "D", "v", "P", "*", "X")
LINES = ("-", "--", "-.", ":")
INK = "#010203"
"""Stands for the colour of the page's text, which changes between light and dark."""
SOFT = "#040506"
"""Stands for the colour of what is less important."""
WIDTH = 3.7
"""Inches; as wide as a phone, so that letters keep their size there."""
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "theseus",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), SOFT),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markersize": 6,
    "lines.linewidth": 1.3,
}
_APART = 11.0
"""Points between two numbers, one above the other."""


class Look(NamedTuple):
    """How a model is drawn; shapes and strokes differ too, for those who do not see colours."""

    colour: str
    marker: str
    line: str


def look(at: int) -> Look:
    """The look of the model at a place, counted from 0."""
    return Look(*(kinds[at % len(kinds)] for kinds in (COLOURS, MARKERS, LINES)))


def new_figure(height: float) -> tuple[Any, Any]:
    """A figure of the common width, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=72, layout="constrained")  # 72: a pixel is a point
    return figure, figure.add_subplot()


def swatch(at: int) -> str:
    """Marker and stroke of a model, for a legend outside the plots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.42, 0.18))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(-1, 1), ylim=(-1, 1))
    style = look(at)
    axes.plot([-1, 1], [0, 0], style.line, color=style.colour)
    axes.plot(0, 0, style.marker, color=style.colour)
    return svg(figure, f"key-{at + 1}", "")


def number_points(figure: Any, axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write each (text, x, y) near its point, with a line to it if that is far.

    It goes where no other text or marker is, and beside the whiskers above and below the points if it can.
    """
    figure.draw_without_rendering()
    places = [tuple(axes.transData.transform((x, y))) for _, x, y in points]
    area = axes.bbox
    taken: list[tuple[float, float]] = []
    for (text, x, y), (left, up) in zip(points, places, strict=True):
        free = [
            (dx, dy)
            for dx, dy in _around()
            if area.x0 + 5 < left + dx < area.x1 - 5
            and area.y0 + 6 < up + dy < area.y1 - 6
            and all(abs(left + dx - a) > _APART or abs(up + dy - b) > _APART for a, b in taken)
            and all(math.hypot(left + dx - a, up + dy - b) > 9 for a, b in places)
        ]
        beside = [(dx, dy) for dx, dy in free if all(abs(left + dx - a) > 5 * len(text) for a, _ in places)]
        dx, dy = (*beside[:1], *free[:1], (9.0, 9.0))[0]
        taken.append((left + dx, up + dy))
        _annotate(axes, text, (x, y), (dx, dy), line=math.hypot(dx, dy) > 14)


def number_ends(figure: Any, axes: Any, ends: Sequence[tuple[str, float, float]]) -> None:
    """Write each (text, x, y) to the right of where its curve ends, moved up or down until none overlap."""
    figure.draw_without_rendering()
    ups = {at: float(axes.transData.transform((x, y))[1]) for at, (_, x, y) in enumerate(ends)}
    moved = spread(list(ups.values()), _APART, float(axes.bbox.y1) - _APART / 2)
    for at, (text, x, y) in enumerate(ends):
        _annotate(axes, text, (x, y), (17, moved[at] - ups[at]), line=True)


def spread(places: Sequence[float], gap: float, highest: float) -> list[float]:
    """The same places in the same order, moved to lie `gap` apart and not above `highest`."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    result = list(places)
    for below, above in pairwise(order):
        result[above] = max(result[above], result[below] + gap)
    for at in reversed(order):
        result[at] = min(result[at], highest)
        highest = result[at] - gap
    return result


def svg(figure: Any, key: str, label: str) -> str:
    """The bare `svg` element: no prolog and no metadata, which name addresses on the web.

    Args:
        figure: what to draw.
        key: put before its ids, which have to differ from those of all other drawings of the page.
        label: what it shows, for those who do not see it; decoration if empty.
    """
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r" font-family: [^;]*;", "", text)  # that of the page
    text = re.sub(r'( id="|url\(#|href="#)', rf"\1{key}-", text)
    text = text.replace(INK, "currentColor").replace(SOFT, "var(--soft)")
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return text.replace("<svg", f"<svg {role}", 1)


def framed(drawing: str, caption: str) -> str:
    """A drawing under its caption."""
    return f"<figure>\n<figcaption>{escape(caption)}</figcaption>\n{drawing}</figure>"


def _around() -> list[tuple[float, float]]:
    """Offsets in points, near ones first."""
    turns = [math.radians(45 + 30 * step) for step in range(12)]
    return [(radius * math.cos(turn), radius * math.sin(turn)) for radius in (13, 18, 25, 33, 42, 52) for turn in turns]


def _annotate(axes: Any, text: str, point: tuple[float, float], offset: tuple[float, float], line: bool) -> None:
    arrow = {"arrowstyle": "-", "color": SOFT, "lw": 0.6, "shrinkA": 1, "shrinkB": 3} if line else None
    note = axes.annotate(
        text, point, offset, textcoords="offset points", ha="center", va="center", arrowprops=arrow, fontsize=9
    )
    note.set_in_layout(False)
