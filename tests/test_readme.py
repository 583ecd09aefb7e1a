"""The figures of README and documentation are those of the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import successors
from benchmarks.attack import __main__ as attack
from benchmarks.attack import speed
from benchmarks.recipes import RESULTS, markdown
from benchmarks.relations import __main__ as relations
from theseus_plugin.files import read_json

README = Path(__file__).parents[1] / "README.md"
DOCS = README.with_name("docs")
RESULTS_PAGE = DOCS / "results.md"


def test_the_table_is_generated() -> None:
    records = {file.stem: read_json(file) for file in sorted(RESULTS.glob("*.json"))}
    assert records
    assert markdown(records) in RESULTS_PAGE.read_text(encoding="utf-8")


def test_the_tables_of_exports_are_generated() -> None:
    records = {file.stem: read_json(file) for file in sorted((successors.RESULTS / "demo").glob("*.json"))}
    rows = successors.merged(records)
    assert successors.markdown(rows, successors.IN_SHORT) in RESULTS_PAGE.read_text(encoding="utf-8")
    assert successors.brief(rows) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(file.stem for file in attack.RESULTS.glob("*.json")))
def test_the_tables_of_attacks_are_generated(name: str) -> None:
    record = read_json(attack.RESULTS / f"{name}.json")
    table = speed.table(record) if name == "speed" else attack.table(record)
    assert table in (DOCS / "bert-attack.md").read_text(encoding="utf-8")


def test_the_figures_of_relations_are_generated() -> None:
    records = relations.recorded()
    told = relations.told(records, relations.reached(records))
    assert told
    page = (DOCS / "relations.md").read_text(encoding="utf-8")
    assert [part for part in told if part not in page] == []
