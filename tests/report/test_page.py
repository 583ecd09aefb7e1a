"""The page of a report, and what `bench` prints beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.report import golden
from tests.report.records import only, six, two
from theseus_plugin.cli.printing import show_bench
from theseus_plugin.report.summary import summary_of, write_report


def page(tmp_path: Path, records: list[dict[str, Any]]) -> str:
    write_report(tmp_path / "report.html", summary_of(records), "Film & review", golden.FACTS)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def body(html: str) -> ET.Element:
    """What the page shows; an error where a tag is not closed in its place."""
    return ET.fromstring(html[html.index("<body>") :].replace("</html>", ""))


def test_the_golden_page() -> None:
    pytest.importorskip("matplotlib")
    assert golden.page() == golden.FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "records",
    [golden.records()[::-1], two(), six(), only(two(), "size"), only(two(), "latency"), only(two()), two()[:1], []],
    ids=["failed", "two", "six", "size", "latency", "nothing", "one", "none"],
)
def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    html = page(tmp_path, records)
    elements = list(body(html).iter())
    ids = [element.get("id") for element in elements if element.get("id")]
    assert len(ids) == len(set(ids))
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|src=", html)
    targets = {target for pair in re.findall(r'url\((.*?)\)|href="(.*?)"', html) for target in pair if target}
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = page(tmp_path, two())
    body(html)
    assert "theseus-plugin[plot]" in html
    assert "<svg" not in html


def test_bench_prints_table_sentences_and_recommendation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {"models": two(), "environment": golden.FACTS}
    summary = summary_of(two())
    show_bench(record, str(tmp_path / "r.html"), as_json=False)
    printed = capsys.readouterr().out
    assert printed.endswith(
        "\n".join([*summary.findings, str(summary.recommendation), f"report: {tmp_path / 'r.html'}\n"])
    )
    assert "82.73" in printed.split(summary.findings[0])[0]
    show_bench(record, str(tmp_path / "again.html"), as_json=True)
    assert json.loads(capsys.readouterr().out) == record
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "r.html").read_bytes()


def test_rendering_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from theseus_plugin.report.summary import summary_of, write_report\n"
        "from theseus_plugin.report.table import terminal_table\n"
        "summary = summary_of(json.load(open(sys.argv[1])))\n"
        "write_report(sys.argv[2], summary, 't', {})\n"
        "terminal_table(summary.rows, summary.warnings)\n"
        "assert not {'torch', 'transformers', 'onnxruntime'} & set(sys.modules)\n"
    )
    (tmp_path / "records.json").write_text(json.dumps(six(), allow_nan=False))
    subprocess.run([sys.executable, "-c", code, tmp_path / "records.json", tmp_path / "out.html"], check=True)
    assert (tmp_path / "out.html").stat().st_size > 10_000
