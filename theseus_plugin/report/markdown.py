"""Tables in Markdown, and the table of a report for a README."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from theseus_plugin.console import markdown as escaped
from theseus_plugin.report.record import Record, bench_of
from theseus_plugin.report.table import Cell, rows


def markdown_table(rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """Rows as a Markdown table, without a line's end after the last one.

    Args:
        rows: cells as they are to be read, what is not ours escaped; the first row is the head.
        numbers: whether all columns but the first one hold numbers, which stand at the right.
    """
    head, *others = rows
    ruler = ["---", *["---:" if numbers else "---"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *others))


def markdown(records: Sequence[Record], only: Collection[str] | None = None) -> str:
    """What was measured as a Markdown table, a row per model; of the notes only intervals of metrics and ratios of
    times.

    Args:
        records: the `models` that `bench` gives.
        only: headings of the columns to show; all by default.
    """
    columns = [row for row in rows(bench_of(records)) if only is None or row.heading in only]
    head = [escaped(column.heading) for column in columns]
    models = ([_cell(column.cells[at]) for column in columns] for at in range(len(records)))
    return markdown_table([head, *models]) + "\n"


def _cell(cell: Cell) -> str:
    return escaped(f"{cell.text} ({cell.brief})" if cell.brief else cell.text)
