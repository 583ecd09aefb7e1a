"""What people see of attacks: a table for the terminal, and a page of examples with the changed words marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from theseus_plugin.bert_attack.words import Text
from theseus_plugin.console import plain
from theseus_plugin.report.page import facts, page, paragraph, section

if TYPE_CHECKING:
    from rich.table import Table

ROWS = {
    "original_accuracy": ("accuracy x 100", 100, ".1f"),
    "attacked_accuracy": ("under attack x 100", 100, ".1f"),
    "success_rate": ("attacks that succeed, %", 100, ".1f"),
    "changed_words": ("words changed, %", 100, ".1f"),
    "similarity": ("similarity", 1, ".3f"),
    "queries": ("queries, one by one", 1, ".0f"),
    "evaluated": ("queries, in batches", 1, ".0f"),
}
"""How each measure is called and shown."""
_SHOWN = 30
"""Examples of each model on the page."""
_MARKS = "<style>del { color: #cc5257 } ins { color: #3f8f45; text-decoration: none; font-weight: 600 }</style>"


def table(models: Sequence[Mapping[str, Any]]) -> Table:
    """A row per measure, a column per model."""
    from rich.table import Table

    shown = Table("BERT-ATTACK")
    for model in models:
        shown.add_column(plain(model["model"]))
    records = [model["bert-attack"] for model in models]
    for name, (heading, _, _) in ROWS.items():
        shown.add_row(heading, *(cell(record, name) for record in records))
    shown.add_row("examples attacked", *(f"{record['attacked']} of {record['examples']}" for record in records))
    shown.add_row("examples a second", *(f"{record['examples'] / record['seconds']:.1f}" for record in records))
    return shown


def page_of(names: Sequence[str], records: Sequence[Mapping[str, Any]], attacks: Sequence[Sequence[Any]]) -> str:
    """The page: the measures of every model, then successes and failures of each."""
    parts = [_MARKS]
    for name, record, lines in zip(names, records, attacks, strict=True):
        told = [(heading, cell(record, key)) for key, (heading, _, _) in ROWS.items()]
        told += [(key.replace("_", " "), record[key]) for key in ("skipped", "similarity_by", "antonyms")]
        misled = [line for line in lines if line["status"] == "success"]
        kept = [line for line in lines if line["status"] == "failure"]
        examples = "\n".join(map(_example, [*misled[: _SHOWN * 2 // 3], *kept[: _SHOWN // 3]]))
        parts.append(section(name, facts(told) + examples))
    return page("BERT-ATTACK", parts)


def cell(record: Mapping[str, Any], name: str) -> str:
    """A measure with its interval."""
    if name not in record:
        return "-"
    _, factor, template = ROWS[name]
    low, high = record["intervals"][name]
    return f"{factor * record[name]:{template}} ({factor * low:{template}} to {factor * high:{template}})"


def _example(line: Mapping[str, Any]) -> str:
    """An example with what was changed, and what the model said before and after."""
    outcome = f"{line['before']} → {line['after']}" if line["status"] == "success" else f"still {line['before']}"
    others = " / ".join(text for at, text in enumerate(line["texts"]) if at != line["side"])
    return (
        f"<p>{_marked(line)}<br><small>{escape(outcome)}, {line['queries']} queries"
        f"{', ' + escape(line['reason']) if line['reason'] else ''}</small></p>"
    ) + paragraph(f"with: {others}" if others else "")


def _marked(line: Mapping[str, Any]) -> str:
    """The text with each changed word, old and new."""
    text = Text.of(line["texts"][line["side"]])
    words = [escape(word) for word in text.words]
    for change in line["changes"]:
        words[change["at"]] = f"<del>{escape(change['original'])}</del> <ins>{escape(change['word'])}</ins>"
    return str(Text(tuple(words), tuple(map(escape, text.gaps))))
