"""One page, or one table in the terminal, from what `bench` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.measure.findings import findings
from theseus_plugin.measure.rows import Cell, Record, rows

if TYPE_CHECKING:
    from rich.table import Table

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark;
  --ink: #1d2430; --soft: #5d6675; --line: #d8dde5; --page: #fff; --note: #fff4d6 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e8ee; --soft: #9aa4b2; --line: #333c49; --page: #14181f; --note: #3a3114 }}
}}
body {{ margin: 2rem auto; max-width: 64rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: .4rem .8rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line) }}
th {{ text-align: left }}
th, small, dt {{ color: var(--soft); font-weight: 500 }}
td small {{ display: block }}
svg {{ max-width: 100%; height: auto; display: block; margin: 1rem 0 }}
.note {{ background: var(--note); padding: .6rem 1rem; border-radius: .4rem }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem }} dd {{ margin: 0 }}
dd, code {{ overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def write_report(path: str | Path, records: Sequence[Record], title: str, facts: Mapping[str, Any]) -> None:
    """Write one HTML file that needs nothing else.

    Args:
        path: the file to write.
        records: the `models` that `bench` gives.
        title: heading of the page.
        facts: what holds for all of them, such as the `environment` that `bench` gives; shown as a list.
    """
    files = {record["model"]: _file(record) for record in records}
    parts = [
        *(f'<p class="note">{escape(line)}</p>' for line in _warnings(records)),
        *(f"<p>{escape(line)}</p>" for line in findings(records)),
        _html_table(records),
        *(f"<p><small>{escape(line)}</small></p>" for line in _how(records)),
        _plots(records),
        "<h2>Files measured</h2>",
        _list({name: file for name, file in files.items() if file}),
        "<h2>Machine and versions</h2>",
        _list({name.replace("_", " "): _plain(value) for name, value in facts.items()}),
    ]
    Path(path).write_text(_PAGE.format(title=escape(title), body="\n".join(parts)), encoding="utf-8")


def table(records: Sequence[Record]) -> Table:
    """The same figures for a terminal, a column per model: figures are many, models few."""
    from rich.markup import escape as plain
    from rich.table import Table

    headings, body = rows(records)
    result = Table(show_header=False)
    result.add_column(no_wrap=True)
    for _ in body:
        result.add_column(justify="right", overflow="fold")
    for heading, *cells in zip(headings, *body, strict=True):
        result.add_row(
            heading, *(plain(cell.text) + (f"  [dim]{cell.note}[/dim]" if cell.note else "") for cell in cells)
        )
    return result


def _html_table(records: Sequence[Record]) -> str:
    """A row per figure and a column per model, as in the terminal."""
    headings, body = rows(records)
    lines = (
        f"<tr><th>{escape(heading)}</th>{''.join(map(_html_cell, cells))}</tr>"
        for heading, *cells in zip(headings, *body, strict=True)
    )
    content = "\n".join(lines)
    return f'<div class="wide"><table>\n{content}\n</table></div>'


def _html_cell(cell: Cell) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td>{escape(cell.text)}{note}</td>"


def _warnings(records: Sequence[Record]) -> list[str]:
    if any(record.get("latency", {}).get("machine", {}).get("busy") for record in records):
        return ["Others used the processor while latency was measured: the times are not to be trusted."]
    return []


def _how(records: Sequence[Record]) -> list[str]:
    """How the figures of the table came about."""
    lines = []
    timed = [record["latency"] for record in records if "latency" in record]
    if timed:
        first = timed[0]
        noise = ", ".join(f"{shape}: {100 * t['noise']:.1f} %" for shape, t in first["shapes"].items())
        lines.append(
            f"ms: median per call by batch x length in tokens, without padding or tokenisation; "
            f"{first['threads']} threads, {first['rounds']} rounds, one process at a time. "
            f"Below it: how many times as fast as the first model, median (and range) over the rounds. "
            f"Noise, the spread of the first model's own rounds: {noise}."
        )
    scored = [record["accuracy"] for record in records if "accuracy" in record]
    if scored:
        cut = f", {scored[0]['truncated']} of them cut to the maximal length" if scored[0]["truncated"] else ""
        lines.append(f"Metrics: {scored[0]['examples']} validation examples{cut}, from the file that was timed.")
    return lines


def _plots(records: Sequence[Record]) -> str:
    from theseus_plugin.measure.plots import plots

    try:
        return "\n".join(plots(records))
    except ImportError:
        return "<p><small>For plots: <code>pip install 'theseus-plugin[plot]'</code></small></p>"


def _file(record: Record) -> str | None:
    """The file of the first evaluator that names one, with the start of its hash."""
    named = (part for part in record.values() if isinstance(part, Mapping) and "sha256" in part)
    found = next(named, None)
    return None if found is None else f"{found['file']}, sha256 {found['sha256'][:12]}"


def _list(entries: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in entries.items())
    return f"<dl>\n{items}</dl>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return "unknown" if value is None else str(value)
