"""Bad files of a knowledge graph, of queries, stop words and word vectors."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bad_input.driver import Case
from tests.bad_input.examples import Prepare, recipe
from tests.bad_input.world import World

FACTS = "a\tr\tb\nb\tr\tc\na\ts\tc\nc\tr\td\n"


def _relations(w: World, **files: str | bytes) -> dict[str, object]:
    """A task on good files but for those given by the option's name."""
    good: dict[str, str | bytes] = {"train": FACTS, "validation": "a\tr\tc\n"}
    names = {option: w.write(f"{option}.txt", content) for option, content in (good | files).items()}
    return {"name": "relations", **names}


def _graph(**files: str | bytes) -> Prepare:
    return lambda w: ["fit", recipe(w, _relations(w, **files))]


def _odd(option: str, make: object, name: str = "odd.txt") -> Prepare:
    """A file of that option which is none."""

    def prepare(w: World) -> list[str]:
        if callable(make):
            make(Path(name))
        return ["fit", recipe(w, _relations(w) | {option: name})]

    return prepare


def _queries(content: str | bytes, candidates: int = 2) -> Prepare:
    def prepare(w: World) -> list[str]:
        task = recipe(w, _relations(w))
        model = str(w.assets / "predecessor")
        queries = w.write("queries.txt", content)
        return ["rank", model, "--task", task, "--queries", queries, "--set", f"candidates={candidates}"]

    return prepare


def _attack(option: str, content: str | bytes, name: str = "words.txt") -> Prepare:
    def prepare(w: World) -> list[str]:
        model = str(w.assets / "predecessor")
        file = w.write(name, content)
        return ["attack", model, "--mlm", model, "--task", w.recipe(), "--set", f"{option}={file}"]

    return prepare


CASES = [
    # facts
    Case("gives a fact two parts", _graph(train=FACTS + "a\tr\n"), ("train.txt, line 5: 2 parts", "fix the line")),
    Case("gives a fact four parts", _graph(train="a\tr\tb\t1\n" + FACTS), ("train.txt, line 1: 4 parts",)),
    Case("leaves an entity of a fact empty", _graph(train=FACTS + "a\tr\t\n"), ("train.txt, line 5",)),
    Case("leaves a relation blank", _graph(train=FACTS + "a\t  \tb\n"), ("train.txt, line 5",)),
    Case("separates facts by spaces", _graph(train="a r b\n"), ("train.txt, line 1: 1 parts",)),
    Case("separates facts by commas", _graph(train="a,r,b\n"), ("train.txt, line 1: 1 parts",)),
    Case("puts a next-line character between facts", _graph(train="a\tr\tb\x85b\tr\tc\n"), ("line 1: 5 parts",)),
    Case("puts a line separator between facts", _graph(train="a\tr\tb\u2028b\tr\tc\n"), ("line 1: 5 parts",)),
    Case("puts a vertical tab between facts", _graph(train="a\tr\tb\x0bb\tr\tc\n"), ("line 1: 5 parts",)),
    Case("puts a lone carriage return between facts", _graph(train="a\tr\tb\rb\tr\tc\n"), ("line 1: 5 parts",)),
    Case("gives a graph without facts", _graph(train="\n\n"), ("train.txt", "no facts there")),
    Case("gives facts that are true in the graph alone", _graph(validation="x\tr\ty\n"), ("validation.txt", "judge")),
    Case("saves facts in UTF-16", _graph(train=FACTS.encode("utf-16")), ("train.txt", "UTF-16", "UTF-8")),
    Case("saves facts in Latin-1", _graph(train="caf\u00e9\tr\tb\n".encode("latin-1")), ("save it as UTF-8",)),
    Case("saves validation facts in UTF-16", _graph(validation="a\tr\tc\n".encode("utf-16-le")), ("UTF-16",)),
    Case("names a folder as the graph", _odd("train", Path.mkdir), ("odd.txt", "folder")),
    Case("names a pipe as the graph", _odd("train", os.mkfifo), ("odd.txt", "pipe")),
    Case("names a graph that is not there", _odd("train", None), ("odd.txt: no such file",)),
    Case("names validation facts that are not there", _odd("validation", None), ("odd.txt: no such file",)),
    # names
    Case("gives an entity no tab before its text", _graph(entities="a wheel\n"), ("entities.txt, line 1: no tab",)),
    Case("gives a text of no entity", _graph(entities="a\twheel\n\tcar\n"), ("entities.txt, line 2: no name",)),
    Case("gives a relation no tab before its text", _graph(relations="r\tpart of\ns\n"), ("relations.txt, line 2",)),
    Case("saves entities in UTF-16", _graph(entities="a\twheel\n".encode("utf-16")), ("entities.txt", "UTF-16")),
    Case("saves relations in UTF-16", _graph(relations="r\tof\n".encode("utf-16-be")), ("relations.txt", "UTF-16")),
    Case("names a folder as the entities", _odd("entities", Path.mkdir), ("odd.txt", "folder")),
    Case("names a pipe as the relations", _odd("relations", os.mkfifo), ("odd.txt", "pipe")),
    Case("names entities that are not there", _odd("entities", None), ("odd.txt: no such file",)),
    # queries
    Case("gives no queries", _queries(""), ("queries.txt: 0 facts", "candidates")),
    Case("breaks the last query off", _queries("a\tr\tb\na\tr\tc\na\tr\td\n"), ("queries.txt: 3 facts", "candidates")),
    Case("mixes relations in a query", _queries("a\tr\tb\na\ts\tb\n"), ("queries.txt, facts 1 to 2",)),
    Case("varies both ends of a query", _queries("a\tr\tb\nc\tr\td\n"), ("queries.txt, facts 1 to 2",)),
    Case("gives a query two parts", _queries("a\tr\tb\na\tr\n"), ("queries.txt, line 2: 2 parts",)),
    Case("saves queries in UTF-16", _queries("a\tr\tb\na\tr\tc\n".encode("utf-16")), ("queries.txt", "UTF-16")),
    Case("saves queries in Latin-1", _queries(b"a\tr\tcaf\xe9\na\tr\tc\n"), ("queries.txt", "save it as UTF-8")),
    # words
    Case("saves stop words in UTF-16", _attack("stop_words", "the\n".encode("utf-16")), ("stop_words", "UTF-16")),
    Case("saves stop words in Latin-1", _attack("stop_words", b"caf\xe9\n"), ("stop_words words.txt", "UTF-8")),
    Case("compresses stop words under another name", _attack("stop_words", b"\x1f\x8b\x08\0"), ("stop_words", ".gz")),
    Case("saves word vectors in UTF-16", _attack("word_vectors", "a 1\n".encode("utf-16")), ("word_vectors", "UTF-16")),
    Case("gives word vectors of unequal lengths", _attack("word_vectors", "a 1 2\nb 1\n"), ("line 2: 1 numbers",)),
    Case("gives a word vector in words", _attack("word_vectors", "a one two\n"), ("word_vectors words.txt, line 1",)),
    Case("gives no word vectors", _attack("word_vectors", ""), ("word_vectors words.txt: no line there",)),
]
