from __future__ import annotations

import random
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.relations.graph import Graph, Triple, read_triples
from theseus_plugin.relations.paths import Paths, neighbourhood, some, walked

FAMILY: list[Triple] = [
    ("ann", "parent", "bob"),
    ("bob", "parent", "cid"),
    ("ann", "likes", "bob"),
    ("cid", "friend", "dan"),
    ("dan", "parent", "ann"),
    ("eve", "alone", "eve"),
    ("ann", "parent", "bob"),
]


def found(graph: Graph, start: str, end: str, without: Triple | None = None) -> set[str]:
    """Paths as the names of their relations."""
    paths = Paths(graph, graph.entities[start], None if without is None else graph.number(without))
    return {
        " ".join(graph.relation_names[graph.facts[fact][1]] for fact in path) for path in paths.to(graph.entities[end])
    }


def test_a_graph_drawn_by_hand() -> None:
    graph = Graph.of(FAMILY)
    assert len(graph.facts) == 6  # one was there twice
    assert found(graph, "ann", "bob") == {"parent", "likes", "parent friend parent"}
    assert found(graph, "ann", "cid") == {"parent parent", "likes parent", "parent friend"}
    assert found(graph, "bob", "ann") == {"parent", "likes", "parent friend parent"}
    assert found(graph, "ann", "eve") == found(graph, "ann", "ann") == found(graph, "eve", "eve") == set()


def test_the_fact_to_be_judged_is_in_no_path() -> None:
    graph = Graph.of(FAMILY)
    assert found(graph, "ann", "bob", without=("ann", "parent", "bob")) == {"likes", "parent friend parent"}
    assert found(graph, "ann", "cid", without=("bob", "parent", "cid")) == {"parent friend"}
    assert found(graph, "ann", "cid", without=("cid", "friend", "dan")) == {"parent parent", "likes parent"}


def test_the_steps_of_a_path() -> None:
    graph = Graph.of(FAMILY)
    names = [
        [
            (tuple(graph.facts[fact].tolist()), graph.names[at])
            for fact, at in walked(graph, path, graph.entities["ann"])
        ]
        for path in Paths(graph, graph.entities["ann"]).to(graph.entities["cid"])
    ]
    assert [[at for _, at in steps] for steps in names] == [["bob", "cid"], ["bob", "cid"], ["dan", "cid"]]


def random_graph(seed: int, entities: int = 25, facts: int = 70) -> list[Triple]:
    chooser = random.Random(seed)
    return [
        (f"e{chooser.randrange(entities)}", f"r{chooser.randrange(4)}", f"e{chooser.randrange(entities)}")
        for _ in range(facts)
    ]


def by_networkx(graph: Graph, start: int, end: int, without: int | None) -> set[tuple[int, ...]]:
    """The paper's definition, with the library its code uses."""
    both = nx.MultiDiGraph()
    both.add_nodes_from(range(len(graph.entities)))
    for number, (head, _, tail) in enumerate(graph.facts.tolist()):
        if number != without:
            both.add_edge(head, tail, key=(number, "along"))
            both.add_edge(tail, head, key=(number, "against"))
    if start == end:
        return set()
    return {tuple(key[0] for _, _, key in path) for path in nx.all_simple_edge_paths(both, start, end, cutoff=3)}


@pytest.mark.parametrize("seed", range(6))
def test_all_paths_are_those_of_networkx(seed: int) -> None:
    graph = Graph.of(random_graph(seed))
    chooser = random.Random(seed)
    for _ in range(4):
        start = chooser.randrange(len(graph.entities))
        without = chooser.choice([None, chooser.randrange(len(graph.facts))])
        paths = Paths(graph, start, without)
        for end in range(len(graph.entities)):
            ours = paths.to(end)
            assert len(set(ours)) == len(ours)
            assert set(ours) == by_networkx(graph, start, end, without)
            assert ours == sorted(ours, key=lambda path: (len(path), path))


def test_a_cap_keeps_the_shortest_and_draws_by_seed() -> None:
    graph = Graph.of(random_graph(1, entities=8, facts=60))
    whole = Paths(graph, 0).to(3)
    assert len(whole) > 40
    short = [path for path in whole if len(path) < 3]
    few = some(whole, len(short) + 5, [0, 3])
    assert few[: len(short)] == short
    assert set(few) < set(whole)
    assert len(set(few)) == len(short) + 5
    assert few == sorted(few, key=lambda path: (len(path), path))
    assert few == some(whole, len(short) + 5, [0, 3])
    assert few != some(whole, len(short) + 5, [1, 3])
    assert some(whole, len(whole), [0]) == whole
    assert set(some(whole, 2, [0])) < set(short)


@pytest.mark.parametrize("seed", range(3))
def test_neighbourhoods_are_those_of_networkx(seed: int) -> None:
    graph = Graph.of(random_graph(seed, entities=60, facts=50))
    plain = nx.Graph((int(head), int(tail)) for head, _, tail in graph.facts)
    for entity in range(len(graph.entities)):
        expected = sorted(nx.single_source_shortest_path_length(plain, entity, cutoff=3))
        assert neighbourhood(graph, entity).tolist() == expected


def test_facts_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    file.write_text("a\tr 1\tb\n\nb\tr2\tc\n")
    assert read_triples(file) == [("a", "r 1", "b"), ("b", "r2", "c")]
    graph = Graph.of(read_triples(file))
    assert graph.number(("b", "r2", "c")) == 1
    assert graph.number(("b", "r2", "nobody")) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [("a\tr\n", "line 1: 2 parts"), ("a\tr\tb\nx\t\ty\n", "line 2: 3 parts"), ("a r b\n", "line 1")],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "train.txt"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        read_triples(file)


def test_no_file_and_no_facts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        read_triples(tmp_path / "nowhere.txt")
    with pytest.raises(UserError, match="no facts there"):
        Graph.of([])
    assert np.array_equal(Graph.of([("a", "r", "a")]).steps(0)[0], [])
