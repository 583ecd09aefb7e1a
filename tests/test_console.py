"""Names that are made to be misread: in the terminal, in Markdown, in HTML."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from theseus_plugin import compress
from theseus_plugin.console import code, markdown, message, plain, plain_console, printable
from theseus_plugin.report.markdown import markdown as markdown_table
from theseus_plugin.report.summary import summary_of, write_report
from theseus_plugin.report.table import terminal_table

NAMES = {
    "a\nb": r"a\nb",
    "a\rb": r"a\rb",
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\x9b2J": r"\x9b2J",
    "bell\x07": r"bell\x07",
    "turned\u202eround": r"turned\u202eround",
    "line\u2028end": r"line\u2028end",
    "no text \udcff": r"no text \udcff",
    "Größe 10\u00a0000 naïve 文 क\u200dष": "Größe 10\u00a0000 naïve 文 क\u200dष",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_terminal_sees_no_controls(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert message(f"  {name}: no such file\n") == f"{shown}: no such file"


def test_a_message_has_a_bearable_length() -> None:
    assert message("begins " + "9" * 50_000 + " ends").startswith("begins 99")
    assert message("begins " + "9" * 50_000 + " ends").endswith("99 ends")
    assert len(message("9" * 50_000)) < 2100


@pytest.mark.parametrize("name", ["[red]x[/]", "[/]", "[link=http://a.b]x[/link]", ":smile:", r"\[x]"])
def test_rich_reads_no_markup(name: str) -> None:
    stream = io.StringIO()
    told = plain_console(file=stream)
    told.print(f"checkpoint {name} is damaged")
    shown = Table()
    shown.add_column(plain(name))
    shown.add_row(plain(f"{name}\nsecond line"))
    Console(file=stream, width=100, force_terminal=False).print(shown)
    assert stream.getvalue().count(name) == 3
    assert "second line" in stream.getvalue()


@pytest.mark.parametrize("name", ["a`b", "``", "a\n---\nlicense: mit", "a|b", "\x1b[0m`"])
def test_code_in_markdown_is_closed(name: str) -> None:
    span = code(name)
    fence = re.match("`+", span)
    assert fence is not None
    assert span.endswith(fence[0])
    inside = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in inside
    assert "\n" not in span
    assert "\x1b" not in span


def test_markdown_does_not_format() -> None:
    assert markdown("a_b*c|<d>\n[e]") == r"a\_b\*c\|\<d\> \[e\]"


def _records(name: str) -> list[dict[str, Any]]:
    return [{"model": f"models/{name}", "runtime": "torch-eager", "size": {"bytes": 10}}, {"model": "models/other"}]


@pytest.mark.parametrize("name", ["[red]x[/]", "\x1b[31mx", "<script>alert(1)</script>", "\udcff", "a\nb"])
def test_the_report_and_its_tables(name: str, tmp_path: Path) -> None:
    records = _records(name)
    summary = summary_of(records)
    write_report(tmp_path / "r.html", summary, name, {"machine": name})
    page = (tmp_path / "r.html").read_bytes().decode("utf-8")
    assert "<script>" not in page
    assert "\x1b" not in page
    stream = io.StringIO()
    Console(file=stream, width=200).print(terminal_table(summary.rows, summary.warnings))
    assert "\x1b" not in stream.getvalue()
    if name.startswith("[red]"):
        assert name in stream.getvalue()
    assert all(line.startswith("| ") for line in markdown_table(records).splitlines())


def test_the_model_card_of_a_predecessor_with_a_nasty_name(recipe: dict[str, Any], tmp_path: Path) -> None:
    """A heading, a second block of metadata, the end of code, and an escape sequence."""
    nasty = tmp_path / "a`b\n---\nlicense: mit\n---\n# \x1b[31m"
    nasty.mkdir()
    for file in Path(recipe["predecessor"]).iterdir():
        (nasty / file.name).write_bytes(file.read_bytes())
    recipe["predecessor"] = str(nasty)
    recipe["method"]["training"] |= {"max_steps": 1}
    result = compress(recipe)
    card = (Path(result["output"]) / "README.md").read_text(encoding="utf-8")
    metadata, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", card, re.DOTALL).groups()  # type: ignore[union-attr]
    assert "license" not in metadata
    assert "\n---\n" not in body
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", card)
    assert body.count("\n# ") == 1
    assert r"a`b\n---\nlicense: mit\n---\n# \x1b[31m" in body
    assert json.loads((Path(result["output"]) / "result.json").read_text())["model"] == str(nasty)
    assert load_file(Path(result["output"]) / "model.safetensors")
