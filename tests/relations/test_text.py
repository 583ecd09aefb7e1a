from __future__ import annotations

from pathlib import Path

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.negatives import Negatives
from theseus_plugin.relations.paths import Paths, neighbourhood
from theseus_plugin.relations.text import Names, instance

GRAPH = Graph.of([("1", "_part_of", "2"), ("3", "/film/by", "2"), ("3", "_part_of", "4"), ("1", "likes", "5")])
NAMES = Names({"1": "wheel", "2": "car", "3": "seat", "4": "wheel"}, {"_part_of": "part of"})


def test_a_path_is_told_in_the_direction_of_its_facts() -> None:
    paths = Paths(GRAPH, GRAPH.entities["1"]).to(GRAPH.entities["4"])
    [asked] = [instance(GRAPH, NAMES, ("1", "_part_of", "4"), path) for path in paths]
    assert asked.texts == (
        "Question: wheel part of what ? Is the correct answer wheel 2 ?",
        "Context: wheel part of car; seat film by car; seat part of wheel 2;",
    )


def test_what_has_no_text_is_called_as_it_is_spelled() -> None:
    paths = Paths(GRAPH, GRAPH.entities["5"]).to(GRAPH.entities["1"])
    [asked] = [instance(GRAPH, NAMES, ("5", "likes", "1"), path) for path in paths]
    assert asked.texts == ("Question: 5 likes what ? Is the correct answer wheel ?", "Context: wheel likes 5;")


def test_descriptions_are_left_out_and_commas_in_names_are_not(tmp_path: Path) -> None:
    described, named = tmp_path / "wordnet.txt", tmp_path / "freebase.txt"
    described.write_text("01\tstool, solid matter\n02\tchief, a head, or leader\n03\tplain\n")
    named.write_text("m1\tCalifornia, Irvine\nm2\tGary\nm3\tIrons\n")
    assert Names.read(str(described), None).entities == {"01": "stool", "02": "chief", "03": "plain"}
    assert Names.read(str(named), None).entities["m1"] == "California, Irvine"
    assert Names.read(None, None) == Names()


def test_a_file_of_names_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("01\tstool\n02 chief\n")
    with pytest.raises(UserError, match="line 2: no tab"):
        Names.read(str(file), None)
    with pytest.raises(UserError, match="nowhere"):
        Names.read(None, str(tmp_path / "nowhere"))


def true_facts() -> list[Triple]:
    return [("a", "r", "b"), ("b", "r", "c"), ("c", "r", "d"), ("a", "s", "c"), ("x", "r", "y")]


HAND = Graph.of(true_facts())


def test_negatives_are_the_ones_listed_by_hand() -> None:
    found = Negatives(HAND, 0).of(("a", "r", "b"), 10)
    assert set(found) == {("a", "r", "c"), ("a", "r", "d"), ("c", "r", "b"), ("d", "r", "b")}
    assert ("a", "r", "d") not in Negatives(HAND, 0, [("a", "r", "d")]).of(("a", "r", "b"), 10)


def test_negatives_are_near_false_and_drawn_once() -> None:
    def drawn(seed: int) -> list[Triple]:
        draws = Negatives(HAND, seed)
        return [one for fact in true_facts() for one in draws.of(fact, 2)]

    found = drawn(0)
    assert len(set(found)) == len(found) > 4
    assert not set(found) & set(true_facts())
    for head, _, tail in found:
        assert HAND.entities[tail] in neighbourhood(HAND, HAND.entities[head], steps=6)
    assert drawn(0) == found
    assert drawn(1) != found


def test_a_fact_apart_or_of_strangers_has_no_negatives() -> None:
    assert Negatives(HAND, 0).of(("x", "r", "y"), 10) == []
    assert Negatives(HAND, 0).of(("a", "r", "nobody"), 10) == []
