"""The table of a report for a README."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from theseus_plugin.console import markdown as escaped
from theseus_plugin.report.record import Record
from theseus_plugin.report.rows import Cell, rows


def markdown(records: Sequence[Record], only: Collection[str] | None = None) -> str:
    """The figures as a Markdown table, a row per model; of the notes only intervals of metrics and ratios of times.

    Args:
        records: the `models` that `bench` gives.
        only: headings of the columns to show; all by default.
    """
    figures = [figure for figure in rows(records) if only is None or figure.heading in only]
    lines = [
        [escaped(figure.heading) for figure in figures],
        ["---", *("---:" for _ in figures[1:])],
        *([_cell(figure.cells[at]) for figure in figures] for at in range(len(records))),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(cell: Cell) -> str:
    return escaped(f"{cell.text} ({cell.brief})" if cell.brief else cell.text)
