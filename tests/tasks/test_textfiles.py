"""Text as it stands in the file: nothing splits it or makes another type of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from theseus_plugin.bert_attack.similarity import WordVectors
from theseus_plugin.bert_attack.words import read_stop_words
from theseus_plugin.errors import UserError
from theseus_plugin.relations.graph import read_triples
from theseus_plugin.relations.queries import read_queries
from theseus_plugin.relations.text import Names
from theseus_plugin.tasks.labels import class_ids, new_classes
from theseus_plugin.tasks.reading import read_files

Write = Callable[[str, str], str]
ODD = ["\u00a0", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\r"]
"""What Python's splitlines or split take for the end of a line or of a word."""
DATED = [
    ["2020-01-01", "2021-02-03"],
    ["2020-01-01T10:00:00", "2021-01-01 10:00:00"],
    ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00"],
    ["007", "08"],
    ["1e5", "12"],
    ["true", "false"],
    ["11:30", "12:30"],
    ["null", "NaN"],
]


@pytest.mark.parametrize("values", DATED)
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv"])
def test_text_that_looks_like_another_type_stays_text(write: Write, values: list[str], kind: str) -> None:
    rows = [{"text": text, "label": text} for text in values]
    separator = "\t" if kind == "tsv" else ","
    content = {"jsonl": "\n".join(map(json.dumps, rows)), "json": json.dumps(rows)}.get(
        kind, "\n".join(separator.join(cells) for cells in [("text", "label"), *zip(values, values, strict=True)])
    )
    found = read_files([write(f"a.{kind}", content)], "auto")
    assert found.texts("text") == values
    assert new_classes(found, "label") == sorted(values)
    assert class_ids({"train": found}, "label", values)["train"] == [0, 1]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "quoted.csv"])
def test_only_line_ends_end_a_row(write: Write, odd: str, kind: str) -> None:
    texts = [f"wait{odd}here", f"{odd}a", f"b{odd}"]
    separator = "\t" if kind == "tsv" else ","
    if kind == "jsonl":
        content = "".join(json.dumps({"text": text, "label": "x"}, ensure_ascii=False) + "\n" for text in texts)
    else:
        quote = '"' if kind.startswith("quoted") else ""
        content = f"text{separator}label\n" + "".join(f"{quote}{text}{quote}{separator}x\n" for text in texts)
    rows = read_files([write(f"a.{kind}", content)], "auto")
    assert (rows.texts("text"), rows.column("label")) == (texts, ["x"] * 3)


def test_line_ends_within_quotes_stay(write: Write) -> None:
    rows = read_files([write("a.csv", 'text,label\r\n"a\r\nb",1\r\n"c\nd\re",0\r\n')], "auto")
    assert (rows.texts("text"), rows.column("label")) == (["a\r\nb", "c\nd\re"], ["1", "0"])


def test_rows_of_an_old_macintosh(write: Write) -> None:
    rows = read_files([write("a.csv", "text,label\ra b,1\rc,0\r")], "auto")
    assert (rows.texts("text"), rows.column("label")) == (["a b", "c"], ["1", "0"])


def test_columns_without_a_name_and_short_rows_do_no_harm(write: Write) -> None:
    """As pandas writes its index, and spreadsheets leave empty cells at the end away."""
    rows = read_files([write("a.csv", ",text,label,id,id,note\n0,a,1,5,6\n1,b,0,5,6,x\n")], "auto")
    assert rows.names == ["Unnamed: 0", "text", "label", "id", "id.1", "note"]
    assert (rows.texts("text"), rows.column("label"), rows.column("note")) == (["a", "b"], ["1", "0"], [None, "x"])


def test_json_of_every_shape(write: Write) -> None:
    expected = [{"text": "a", "label": 1}, {"text": "b", "label": "x"}, {"text": "c", "label": None}]
    shapes = {
        "lines.jsonl": "".join(json.dumps({k: v for k, v in row.items() if v}) + "\r\n\n" for row in expected),
        "lines.json": "\n".join(map(json.dumps, expected)),
        "array.jsonl": "\n" + json.dumps(expected),
        "spread.json": json.dumps(expected, indent=2),
        "columns.json": json.dumps({k: [row[k] for row in expected] for k in ("text", "label")}, indent=1),
    }
    for name, content in shapes.items():
        rows = read_files([write(name, content)], "auto")
        assert rows.names == ["text", "label"], name
        assert [rows.column(name) for name in rows.names] == [["a", "b", "c"], [1, "x", None]], name
    texts = read_files([write("texts.json", '["a", "b"]')], "auto")
    assert texts.texts("text") == ["a", "b"]


def test_several_files_are_one_after_the_other(write: Write) -> None:
    first = write("1.csv", "text,label\na,1\n")
    rows = read_files([first, write("2.csv", "label,text,more\n0,b,x\n")], "auto")
    assert [rows.column(name) for name in ("text", "label", "more")] == [["a", "b"], ["1", "0"], [None, "x"]]


@pytest.mark.parametrize("odd", ODD)
def test_only_line_ends_and_tabs_separate_what_a_graph_is_told_by(write: Write, odd: str) -> None:
    name = f"a{odd}b"
    facts = write("facts.txt", f"{name}\tr\tc{odd}c\n{name}\tr\td\n")
    assert read_triples(facts) == [(name, "r", f"c{odd}c"), (name, "r", "d")]
    assert read_queries([facts], 2)[0].facts[0] == (name, "r", f"c{odd}c")
    told = Names.read(write("names.txt", f"{name}\tthe{odd}wheel\nc\tcar\n"), None)
    assert told.entities == {name: f"the{odd}wheel", "c": "car"}
    assert told.relation(f"part{odd}of_it") == f"part{odd}of it"
    assert set(read_stop_words(write("words.txt", f"{name}\nthe of\n"))) == {name, "the", "of"}
    vectors = WordVectors.read(write("vectors.txt", f"{name} 1 0\nc 3 4\n"))
    assert vectors.between(name, ["c"]) == [pytest.approx(0.6)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_mark_is_no_part_of_the_first_name(write: Write, end: str) -> None:
    mark = "\ufeff"
    facts = write("facts.txt", f"{mark}a\tr\tb{end}a\tr\tc{end}{end}")
    assert read_triples(facts) == [("a", "r", "b"), ("a", "r", "c")]
    assert read_queries([facts], 2)[0].varied == "tail"
    names = write("names.txt", f"{mark}a\twheel{end} {end}b\t{end}")
    assert Names.read(names, names) == Names({"a": "wheel"}, {"a": "wheel"})
    assert set(read_stop_words(write("words.txt", f"{mark}The{end}of{end}"))) == {"the", "of"}
    assert WordVectors.read(write("v.txt", f"{mark}a 1 0{end}b 0 1{end}")).between("a", ["b"]) == [0.0]


def test_what_has_no_text_is_called_as_it_is_spelled(write: Write) -> None:
    names = Names.read(write("names.txt", "a\t\nb\t  \nc\tcar\n"), None)
    assert [names.entity(name) for name in "abc"] == ["a", "b", "car"]


def test_compressed_files_of_a_graph(tmp_path: Path) -> None:
    file = tmp_path / "facts.txt.gz"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbfa\tr\tb\n"))
    assert read_triples(file) == [("a", "r", "b")]


@pytest.mark.parametrize(
    "between",
    ["", " ", "\n", "\r\n\n"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_objects_follow_each_other_however_they_are_spread(write: Write, between: str, indent: int | None) -> None:
    rows = [{"text": "a \u00e9", "label": 1}, {"text": "b {", "label": 0}, {"label": 1, "text": 'c "'}]
    content = between.join(json.dumps(row, indent=indent) for row in rows)
    found = read_files([write("a.jsonl", content)], "auto")
    assert (found.texts("text"), found.column("label")) == (["a \u00e9", "b {", 'c "'], [1, 0, 1])


def test_one_json_object_spread_over_lines_is_a_row(write: Write) -> None:
    found = read_files([write("a.json", json.dumps({"text": "a", "label": 1}, indent=1))], "auto")
    assert (found.texts("text"), found.column("label")) == (["a"], [1])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"text": "a"}\n{"text": "b"\n{"text": "c"}\n', 2),
        ('{"text": "a"\n{"text": "b"}\n', 1),
        ('[\n{"text": "a"},\n{"text": "b" "c"}\n]', 3),
        ('{\n"text": "a"\n}\n{\n"text" "b"\n}\n', 5),
    ],
)
def test_the_line_of_broken_json_is_named(write: Write, content: str, line: int) -> None:
    with pytest.raises(UserError, match=f"a.json, line {line}: cannot be read as JSON"):
        read_files([write("a.json", content)], "auto")


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_crlf_written_as_text_on_windows_ends_a_line_once(write: Write, kind: str) -> None:
    separator = "\t" if kind == "tsv" else ","
    content = "".join(f"{separator.join(cells)}\r\r\n" for cells in [("text", "label"), ("a", "1"), ("b", "0")])
    found = read_files([write(f"a.{kind}", content)], "auto")
    assert (found.names, found.texts("text"), found.column("label")) == (["text", "label"], ["a", "b"], ["1", "0"])


def test_triples_with_crlf_written_as_text_on_windows(write: Write) -> None:
    assert read_triples(write("a.txt", "x\tr\ty\r\r\n\r\r\ny\tr\tz\r\r\n")) == [("x", "r", "y"), ("y", "r", "z")]


def test_a_line_of_tabs_is_an_empty_line_of_csv(write: Write) -> None:
    found = read_files([write("a.csv", "text,label\n\t\na,1\n \t \nb,0\n")], "auto")
    assert (found.texts("text"), found.column("label")) == (["a", "b"], ["1", "0"])
