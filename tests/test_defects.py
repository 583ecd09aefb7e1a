"""What plugins do wrong while they work: who did it is told, and what the user can fix stays what it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_registry import install
from theseus_plugin import api, compress
from theseus_plugin.errors import Interrupted, UserError

METHOD = """
from pydantic import BaseModel
class Sorry(Exception):
    mendable = True
class Odd:
    name, summary = "odd", "for tests"
    class Config(BaseModel):
        size: int = 1
    def __init__(self, config): self.config = config
    def compress(self, predecessor, successor, task):
        {}
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reviews: dict[str, Any]) -> Any:
    """`compress` by a plugin of another distribution, whose verb holds the lines given."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def odd(body: str) -> Any:
        install(tmp_path, "other-odd", "other_odd", METHOD.format(body), {"odd": "other_odd:Odd"})
        successor = str(tmp_path / "successor")
        return compress({"predecessor": "here", "successor": successor, "task": reviews, "method": {"name": "odd"}})

    yield odd
    sys.modules.pop("other_odd", None)


def test_a_defect_keeps_its_traceback_and_names_the_plugin(odd: Any) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        odd("1 / 0")
    assert caught.value.__notes__ == ["This is a defect of method 'odd' of distribution 'other-odd': tell its author."]


def test_a_defect_of_ours_in_a_call_of_theirs_is_theirs(odd: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        odd("open('/no/such/file')")
    assert "'other-odd'" in caught.value.__notes__[0]


def test_a_defect_of_our_own_blames_nobody(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "refuse_existing", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        compress(recipe)
    assert not hasattr(caught.value, "__notes__")


def test_ctrl_c_stays_ctrl_c(odd: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        odd("raise KeyboardInterrupt")


def test_what_is_well_told_stays_as_it_is(odd: Any) -> None:
    with pytest.raises(Exception, match=r"^too good$") as caught:
        odd("raise Sorry('too good')")
    assert type(caught.value).__name__ == "Sorry"


def test_an_interruption_keeps_its_status(odd: Any) -> None:
    with pytest.raises(Interrupted) as caught:
        odd("from theseus_plugin.errors import Interrupted; raise Interrupted('stopped', 15)")
    assert caught.value.status == 143


def test_a_good_record_is_given_as_it_is(odd: Any) -> None:
    record = {
        **dict.fromkeys(("kind", "model", "output"), "x"), "metric": "f1", "lower_is_better": [], "before": {},
        "after": {"f1": 1}, "parameters": {"before": 2, "after": 1}, "recipe": {}, "training": {"seconds": 0.5},
        "environment": {}, "more": [None, True],
    }  # fmt: skip
    write = f"import json, pathlib; p = pathlib.Path(successor); p.mkdir(); r = {record!r}"
    assert odd(f"{write}; (p / 'result.json').write_text(json.dumps(r)); return r") == record


def test_a_record_that_breaks_the_contract_says_what_was_written(odd: Any) -> None:
    with pytest.raises(
        UserError, match=r"its record is None, no mapping: tell its author; what it wrote is in .*successor"
    ):
        odd("import os; os.mkdir(successor)")
