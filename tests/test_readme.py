"""The figures of README and documentation are those of the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import records, successors
from benchmarks.attack import __main__ as attack
from benchmarks.attack import speed
from benchmarks.recipes import RECORDS, markdown
from benchmarks.records import Records
from benchmarks.relations import __main__ as relations

README = Path(__file__).parents[1] / "README.md"
DOCS = README.with_name("docs")
RESULTS_PAGE = DOCS / "results.md"


@pytest.fixture(autouse=True)
def only_what_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this checkout has measured since is not in the documents yet."""
    monkeypatch.setattr(records, "NEW", tmp_path)


def test_the_table_is_generated() -> None:
    assert RECORDS
    assert markdown(RECORDS) in RESULTS_PAGE.read_text(encoding="utf-8")


def test_the_tables_of_exports_are_generated() -> None:
    rows = successors.merged(Records("successors/demo"))
    assert successors.markdown(rows, successors.IN_SHORT) in RESULTS_PAGE.read_text(encoding="utf-8")
    assert successors.brief(rows) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", attack.RECORDS)
def test_the_tables_of_attacks_are_generated(name: str) -> None:
    record = attack.RECORDS[name]
    table = speed.table(record) if name == "speed" else attack.table(record)
    assert table in (DOCS / "bert-attack.md").read_text(encoding="utf-8")


def test_the_figures_of_relations_are_generated() -> None:
    found = relations.recorded()
    told = relations.told(found, relations.reached(found))
    assert told
    page = (DOCS / "relations.md").read_text(encoding="utf-8")
    assert [part for part in told if part not in page] == []
