"""The page of a report: its frame, and pieces of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from theseus_plugin.console import printable

if TYPE_CHECKING:
    from theseus_plugin.report.table import Cell, Row

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark;
  --ink: #1d2430; --soft: #5d6675; --line: #d8dde5; --page: #fff; --note: #fff4d6; --good: #e6f2ea }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e8ee; --soft: #9aa4b2; --line: #333c49; --page: #14181f; --note: #3a3114; --good: #1b3226 }}
}}
body {{ margin: 1.5rem auto; max-width: 64rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
p, ul {{ margin: .6rem 0 }} ul {{ padding-left: 1.2rem }}
p, li, dd, code {{ overflow-wrap: anywhere }}
.good, .note {{ padding: .7rem 1rem; border-radius: .4rem }}
.good {{ background: var(--good); font-size: 1.05rem }} .note {{ background: var(--note) }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums }}
th, td {{ padding: .35rem .7rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line) }}
td {{ white-space: nowrap }}
th {{ min-width: 5rem; max-width: 13rem; overflow-wrap: anywhere }} th small {{ display: block }}
th[scope=row] {{ position: sticky; left: 0; background: var(--page) padding-box; text-align: left; max-width: 7rem;
  padding-left: 0; font-size: .875rem; overflow-wrap: normal }}
small, th[scope=row], figcaption, dt {{ color: var(--soft); font-weight: 500 }}
td small {{ display: block }}
.key {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }}
.key svg {{ display: inline-block; vertical-align: middle; width: 2.5rem; height: auto }}
.plots {{ columns: 22rem; column-gap: 2rem }}
figure {{ margin: 0 0 1.5rem; max-width: 30rem; break-inside: avoid }}
figure svg {{ width: 100%; height: auto; display: block }}
figcaption {{ font-size: .875rem; line-height: 1.4; margin-bottom: .3rem }}
figcaption::first-letter {{ text-transform: uppercase }}
dl {{ display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .3rem 1.2rem }} dd {{ margin: 0 }}
dt {{ overflow-wrap: anywhere }}
code {{ font-size: .8rem }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page(title: str, parts: Sequence[str]) -> str:
    """The whole file, of parts that are HTML."""
    whole = _PAGE.format(title=escape(title), body="\n".join(part for part in parts if part))
    return "\n".join(map(printable, whole.split("\n")))


def section(title: str, content: str) -> str:
    """Content under a heading; nothing where there is no content."""
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; nothing of no text."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escape(text)}</p>" if text else ""


def points(lines: Sequence[str]) -> str:
    """A list of sentences; nothing of none."""
    items = "".join(f"<li>{escape(line)}</li>\n" for line in lines)
    return f"<ul>\n{items}</ul>" if items else ""


def facts(entries: Sequence[tuple[str, Any]]) -> str:
    """Names, each with what there is to say of it; nothing of none."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(plain(value))}</dd>\n" for name, value in entries)
    return f"<dl>\n{items}</dl>" if items else ""


def table(rows: Sequence[Row]) -> str:
    """The table of a report, a column per model, numbered as in the plots."""
    headings, *body = rows
    names = "".join(
        f'<th scope="col"><small>{place}</small> {escape(name.text)}</th>'
        for place, name in enumerate(headings.cells, start=1)
    )
    lines = "\n".join(
        f'<tr><th scope="row">{escape(heading)}</th>{"".join(map(_cell, cells))}</tr>' for heading, cells in body
    )
    return (
        f'<div class="wide"><table>\n<thead><tr><th scope="row">{headings.heading}</th>{names}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table></div>"
    )


def plain(value: Any) -> str:
    """A value of JSON as text for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


def _cell(cell: Cell) -> str:
    notes = "".join(f"<small>{escape(note)}</small>" for note in cell.notes)
    return f"<td>{escape(cell.text)}{notes}</td>"
