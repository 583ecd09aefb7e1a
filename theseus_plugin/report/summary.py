"""One page, or one table in the terminal, from what `bench` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.console import plain
from theseus_plugin.files import write_file
from theseus_plugin.report import page
from theseus_plugin.report.findings import findings
from theseus_plugin.report.labels import labels, runtime
from theseus_plugin.report.notes import how, parts, warnings
from theseus_plugin.report.recommend import recommendation
from theseus_plugin.report.record import Record
from theseus_plugin.report.rows import Cell, rows

if TYPE_CHECKING:
    from rich.table import Table


def write_report(path: str | Path, records: Sequence[Record], title: str, facts: Mapping[str, Any]) -> None:
    """Write one HTML file that needs nothing else.

    Args:
        path: the file to write.
        records: the `models` that `bench` gives.
        title: heading of the page.
        facts: what holds for all of them, such as the `environment` that `bench` gives; shown as a list.

    Raises:
        UserError: the disk was full or refused the write.
    """
    content = [
        page.paragraph(recommendation(records) or "", "good"),
        *(page.paragraph(line, "note") for line in warnings(records)),
        page.section("Figures", _html_table(records)),
        page.section("Plots", _plots(records)),
        page.section("Each model against the first", page.points(findings(records))),
        page.section("How it was measured", page.points(how(records))),
        page.section("Files measured", page.facts(_files(records))),
        page.section("Machine and versions", page.facts([(k.replace("_", " "), v) for k, v in facts.items()])),
    ]
    write_file(path, page.page(title, content))


def table(records: Sequence[Record]) -> Table:
    """The same figures for a terminal, a column per model: figures are many, models few.

    Warnings stand above it.
    """
    from rich.table import Table

    def notes(cell: Cell) -> tuple[str, ...]:
        """Where columns are narrow, only what is needed most."""
        return cell.notes if len(records) <= 3 else tuple(filter(None, [cell.brief]))

    headings, *body = rows(records)
    result = Table(title=plain("\n".join(warnings(records))) if warnings(records) else None, title_style="bold")
    result.add_column(headings.heading, min_width=10)
    for name in headings.cells:
        result.add_column(plain(name.text), justify="right", overflow="fold")
    for heading, cells in body:
        result.add_row(plain(heading), *(plain("\n".join((cell.text, *notes(cell)))) for cell in cells))
    return result


def _html_table(records: Sequence[Record]) -> str:
    """A row per figure and a column per model, numbered as in the plots."""
    headings, *body = rows(records)
    names = "".join(
        f'<th scope="col"><small>{place}</small> {escape(name.text)}</th>'
        for place, name in enumerate(headings.cells, start=1)
    )
    lines = "\n".join(
        f'<tr><th scope="row">{escape(heading)}</th>{"".join(map(_html_cell, cells))}</tr>' for heading, cells in body
    )
    return (
        f'<div class="wide"><table>\n<thead><tr><th scope="row">{headings.heading}</th>{names}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table></div>"
    )


def _html_cell(cell: Cell) -> str:
    notes = "".join(f"<small>{escape(note)}</small>" for note in cell.notes)
    return f"<td>{escape(cell.text)}{notes}</td>"


def _plots(records: Sequence[Record]) -> str:
    from theseus_plugin.report.plots import plots, swatches

    try:
        drawn = plots(records)
        looks = swatches(len(records))
    except ImportError:
        return "<p><small>For plots: <code>pip install 'theseus-plugin[plot]'</code></small></p>"
    if not drawn:
        return ""
    items = "\n".join(
        f"<li>{look} {place} {escape(name)} <small>{escape(_kind(record))}</small></li>"
        for place, (look, name, record) in enumerate(zip(looks, labels(records), records, strict=True), start=1)
    )
    figures = "\n".join(drawn)
    return f'<ul class="key">\n{items}\n</ul>\n<div class="plots">\n{figures}\n</div>'


def _kind(record: Record) -> str:
    return ", ".join(part for part in (runtime(record), record.get("precision")) if part)


def _files(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Per model all files that its evaluators name, each with its hash."""
    result = []
    for place, (name, record) in enumerate(zip(labels(records), records, strict=True), start=1):
        files = dict.fromkeys(f"{part['file']}, sha256 {part['sha256']}" for part in parts(record))
        if files:
            result.append((f"{place} {name}", "; ".join(files)))
    return result
