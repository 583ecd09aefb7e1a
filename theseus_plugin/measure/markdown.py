"""The table of a report for a README."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from theseus_plugin.measure.figures import Record
from theseus_plugin.measure.rows import Cell, rows


def markdown(records: Sequence[Record], only: Collection[str] | None = None) -> str:
    """The figures as a Markdown table, a row per model; of the notes only intervals of metrics and ratios of times.

    Args:
        records: the `models` that `bench` gives.
        only: headings of the columns to show; all by default.
    """
    figures = [figure for figure in rows(records) if only is None or figure.heading in only]
    lines = [
        [_plain(figure.heading) for figure in figures],
        ["---", *("---:" for _ in figures[1:])],
        *([_cell(figure.cells[at]) for figure in figures] for at in range(len(records))),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(cell: Cell) -> str:
    return _plain(f"{cell.text} ({cell.brief})" if cell.brief else cell.text)


def _plain(text: str) -> str:
    """Text that Markdown neither formats nor takes for the end of a cell."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(text.split()))
