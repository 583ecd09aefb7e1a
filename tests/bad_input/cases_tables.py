"""Bad files of examples: what is no file, no text, or no table."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.bad_input.driver import Case
from tests.bad_input.examples import GOOD, Prepare, csv, file, jsonl, tagged
from tests.bad_input.world import World


def _named(name: str, make: Callable[[Path], object]) -> Prepare:
    """A training file that is none."""

    def prepare(w: World) -> list[str]:
        make(Path(name))
        return ["fit", w.recipe(predecessor="fitted", task={"train": name})]

    return prepare


def _socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


def _pointless_link(path: Path) -> None:
    path.symlink_to("nowhere.csv")


def _cache(folder: str) -> Prepare:
    """A Parquet file where `datasets` cannot keep what it prepares."""

    def prepare(w: World) -> list[str]:
        import datasets

        datasets.disable_progress_bars()
        rows = datasets.Dataset.from_dict({"text": ["a", "b"] * 4, "label": [0, 1] * 4})
        rows.to_parquet("train.parquet")
        w.write("a-file", "")
        datasets.config.HF_DATASETS_CACHE = folder  # type: ignore[assignment]
        return ["fit", w.recipe(predecessor="fitted", task={"train": "train.parquet"})]

    return prepare


CASES = [
    # files that are none
    Case("names a folder as a file", _named("train.csv", Path.mkdir), ("train.csv", "folder")),
    Case("names a pipe as a file", _named("train.csv", os.mkfifo), ("train.csv", "pipe")),
    Case("names a socket as a file", _named("train.csv", _socket), ("train.csv", "socket")),
    Case("names a dangling link", _named("train.csv", _pointless_link), ("train.csv: no such file",)),
    Case("names a link to itself", _named("t.csv", lambda path: path.symlink_to("t.csv")), ("t.csv", "symbolic links")),
    Case("names a file below a file", lambda w: _named("x/t.csv", lambda _: w.write("x", ""))(w), ("no such file",)),
    Case("gives a file a name too long", _named("x" * 300 + ".csv", lambda _: None), ("cannot be read",)),
    Case("gives a file in the home of nobody", _named("~no-one/t.csv", lambda _: None), ("~no-one/t.csv",)),
    Case("gives a name with a NUL", _named("t\0.csv", lambda path: None), ("null character",)),
    Case("names a file of another kind", file("train.xlsx", "PK"), ("train.xlsx", "unknown kind", ".csv")),
    Case("gives a ZIP archive", file("train.csv.zip", b"PK\x03\x04"), ("train.csv.zip", "unknown kind")),
    Case("renames a spreadsheet to .csv", csv(b"PK\x03\x04\x14\0\x06\0"), ("train.csv", "spreadsheets")),
    Case("renames a compressed file to .csv", csv(gzip.compress(GOOD.encode())), ("train.csv", ".gz")),
    Case("renames Parquet to .jsonl", file("t.jsonl", b"PAR1\x15\x04"), ("t.jsonl", ".parquet")),
    Case("calls a plain file compressed", file("train.csv.gz", GOOD), ("train.csv.gz", "cannot be read")),
    Case("gives a compressed file cut short", file("t.csv.gz", gzip.compress(GOOD.encode() * 99)[:-12]), ("t.csv.gz",)),
    Case("gives a damaged xz file", file("t.csv.xz", b"\xfd7zXZ\0garbage"), ("t.csv.xz", "cannot be read")),
    Case("gives Parquet that is none", file("t.parquet", "nothing of the kind"), ("t.parquet", "cannot be read")),
    Case("gives Parquet of a few bytes", file("t.parquet", "PAR1"), ("t.parquet", "cannot be read")),
    # encodings
    Case("saves CSV in UTF-16", csv(GOOD.encode("utf-16")), ("train.csv", "UTF-16", "save it as UTF-8")),
    Case("saves CSV in UTF-16 without a mark", csv(GOOD.encode("utf-16-le")), ("train.csv", "UTF-16")),
    Case("saves JSON Lines in UTF-16", file("t.jsonl", '{"text": "a"}'.encode("utf-16-be")), ("t.jsonl", "UTF-16")),
    Case("saves CoNLL in UTF-16", tagged("t.conll", "a\tO\n".encode("utf-16")), ("t.conll", "UTF-16")),
    Case("saves CSV in Latin-1", csv("text,label\ncaf\u00e9,1\n".encode("latin-1")), ("train.csv", "save it as UTF-8")),
    Case("saves JSON Lines in Latin-1", file("t.jsonl", b'{"text": "caf\xe9"}\n'), ("t.jsonl", "save it as UTF-8")),
    # tables
    Case("separates cells by semicolons", csv("text;label\na;1\nb;0\n"), ("train.csv", "'text;label'", "commas")),
    Case("separates cells by tabs in .csv", csv("text\tlabel\na\t1\n"), ("train.csv", "commas in .csv")),
    Case("writes commas into cells between semicolons", csv("text;label\na, b;1\n"), ("row 1", "'text;label'")),
    Case("forgets the header", csv("a good film,1\nbad,0\n"), ("train.csv", "no column 'label'", "a good film")),
    Case("gives a header alone", csv("text,label\n"), ("train.csv: no rows",)),
    Case("gives blank lines alone", csv("\n\n  \n"), ("train.csv: no rows",)),
    Case(
        "names two columns alike",
        csv("text,text,label\na,b,1\nb,c,0\n"),
        ("several columns", "'text'"),
    ),
    Case("gives a row more cells than the header", csv("text,label\na,1\nb, c,0\n"), ("row 2: 3 cells", "quote")),
    Case("never closes a quote", csv('text,label\na,1\n"b,0\nc,1\n'), ("train.csv, line 3", "never closed", "literal")),
    Case("goes on behind a closing quote", csv('text,label\n"a" b,1\n'), ("train.csv, line 2", "closing quote")),
    Case("opens a quote that closes rows later", csv('text,label\n"a,1\n"b",0\n'), ("train.csv, line 2", "quote")),
    Case(
        "breaks a line of JSON Lines off",
        file("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b'),
        ("line 2", "JSON"),
    ),
    Case("gives an array a line", file("t.jsonl", '["a", 1]\n["b", 0]\n'), ("t.jsonl, row 1: no JSON object",)),
    Case("gives an array of arrays", file("t.json", '[["a", 1], ["b", 0]]'), ("t.json, row 1: no JSON object",)),
    Case("gives a number a line", file("t.jsonl", "1\n2\n"), ("t.jsonl, row 1: no JSON object",)),
    Case("gives a key twice in a row", file("t.jsonl", '{"text": "a", "text": "b"}\n'), ("line 1", "'text'", "twice")),
    Case("escapes half a character", file("t.jsonl", '{"text": "\\ud83d", "label": 1}\n'), ("line 1", "surrogate")),
    Case("nests JSON without end", file("t.jsonl", "[" * 100_000), ("t.jsonl", "JSON")),
    Case("nests an object without end", file("t.jsonl", '{"a":' * 100_000), ("t.jsonl, line 1", "JSON")),
    Case("gives a number of 5,000 digits", file("t.jsonl", '{"label": ' + "1" * 5000 + "}\n"), ("line 1", "JSON")),
    Case("gives Python for JSON", file("t.jsonl", "{'text': 'a', 'label': 1}\n"), ("t.jsonl, line 1", "JSON")),
    Case("gives an object around the rows", file("t.json", '{"data": [{"text": "a"}]}'), ("no column 'label'", "data")),
    Case(
        "gives numbers as texts",
        jsonl({"text": 3, "label": 1}, {"text": "a", "label": 0}),
        ("row 1", "holds 3"),
    ),
    Case("gives texts as lists", jsonl({"text": ["a"], "label": 1}, {"text": "a", "label": 0}), ("row 1", "not text")),
    Case("gives a CoNLL file without a sentence", tagged("t.conll", "\n# sent_id = 1\n\n"), ("t.conll: no rows",)),
    Case("gives CoNLL-U", tagged("t.conll", "1\ta\ta\tX\t_\n2\tb\tb\tY\t_\n"), ("t.conll", "CoNLL-U", "WORD<tab>TAG")),
    Case(
        "gives CoNLL-U with words of several parts",
        tagged("t.conll", "1-2\tim\t_\n1\tin\tX\n2\tdem\tY\n\n1\ta\tX\n"),
        ("t.conll", "CoNLL-U"),
    ),
    Case("gives words as one text", tagged("t.jsonl", '{"words": "a b", "tags": ["O", "O"]}\n'), ("row 1", "'a b'")),
    Case(
        "gives fewer tags than words", tagged("t.jsonl", '{"words": ["a", "b"], "tags": ["O"]}\n'), ("2 words, but 1",)
    ),
    # the cache
    Case("keeps the cache of data sets below a file", _cache("a-file/cache"), ("cache", "HF_DATASETS_CACHE")),
    Case("keeps the cache of data sets in /proc", _cache("/proc/cache"), ("cache", "/proc/cache", "HF_DATASETS_CACHE")),
]
