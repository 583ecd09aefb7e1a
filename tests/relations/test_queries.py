from __future__ import annotations

from pathlib import Path

import pytest

from theseus_plugin import UserError
from theseus_plugin.relations.queries import read_queries


def test_what_is_varied_is_seen_from_the_facts(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("a\tr\tb\na\tr\tc\nd\tr\tb\na\tr\tb\n")
    first, second = read_queries([str(tmp_path / "q.txt")], 2)
    assert (first.varied, first.facts) == ("tail", (("a", "r", "b"), ("a", "r", "c")))
    assert (second.varied, second.facts[0]) == ("head", ("d", "r", "b"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a\tr\tb\na\tr\tc\nd\tr\tb\n", "q.txt: 3 facts are not queries of 2 candidates each: set `candidates`"),
        ("", "q.txt: 0 facts are not queries"),
        ("a\tr\tb\na\tr\tc\na\tr\tb\nd\tr\tc\n", "q.txt, facts 3 to 4: neither all of one head and relation"),
        ("a\tr\tb\na\ts\tb\n", "q.txt, facts 1 to 2: neither"),
        ("a\tr\tb\na\tr\n", "q.txt, line 2: 2 parts"),
    ],
)
def test_lines_that_are_no_queries(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "q.txt").write_text(content)
    with pytest.raises(UserError) as caught:
        read_queries([str(tmp_path / "q.txt")], 2)
    assert told in str(caught.value)


def test_a_file_that_is_missing() -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt: no such file"):
        read_queries(["nowhere.txt"], 50)
