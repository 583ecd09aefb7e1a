"""The table of a report for a README."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from theseus_plugin.console import markdown as escaped
from theseus_plugin.report.record import Record, bench_of
from theseus_plugin.report.table import Cell, rows


def markdown(records: Sequence[Record], only: Collection[str] | None = None) -> str:
    """What was measured as a Markdown table, a row per model; of the notes only intervals of metrics and ratios of
    times.

    Args:
        records: the `models` that `bench` gives.
        only: headings of the columns to show; all by default.
    """
    columns = [row for row in rows(bench_of(records)) if only is None or row.heading in only]
    lines = [
        [escaped(column.heading) for column in columns],
        ["---", *("---:" for _ in columns[1:])],
        *([_cell(column.cells[at]) for column in columns] for at in range(len(records))),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(cell: Cell) -> str:
    return escaped(f"{cell.text} ({cell.brief})" if cell.brief else cell.text)
