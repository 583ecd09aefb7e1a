"""How fast paths are found: against a plain search with networkx, by the paper's definition, for the same queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import networkx as nx

from benchmarks.relations.runs import DATA
from benchmarks.targets import Target
from theseus_plugin.provenance import environment
from theseus_plugin.relations.finder import Finder
from theseus_plugin.relations.graph import Graph, Triple, read_triples
from theseus_plugin.relations.paths import LONGEST
from theseus_plugin.relations.queries import Query, read_queries

FOLDER = DATA / "fb237"
QUERIES = 500
"""The first ones of both files, half of each, with all their candidates."""
TARGET = 50


def measure() -> dict[str, Any]:
    """Both, in one process on one core, and whether they found the same paths."""
    triples = read_triples(FOLDER / "train.txt")
    queries = [
        query
        for varied in ("head", "tail")
        for query in read_queries([str(FOLDER / f"ranking_{varied}.txt")], 50)[: QUERIES // 2]
    ]
    started = perf_counter()
    finder = Finder(Graph.of(triples))
    ours = [[paths for paths, _ in finder.paths(query)] for query in queries]
    our_seconds = perf_counter() - started
    started = perf_counter()
    theirs = list(_by_networkx(triples, queries))
    their_seconds = perf_counter() - started
    facts = [tuple(fact) for fact in dict.fromkeys(triples)]
    same = all(
        {tuple(facts[number] for number in path) for path in mine} == set(other) and len(mine) == len(other)
        for mine_of_all, others in zip(ours, theirs, strict=True)
        for mine, other in zip(mine_of_all, others, strict=True)
    )
    return {
        "queries": len(queries),
        "facts": sum(len(query.facts) for query in queries),
        "paths": sum(len(paths) for query in ours for paths in query),
        "same_paths": same,
        "seconds": {"ours": our_seconds, "networkx": their_seconds},
        "environment": environment(),
    }


def targets(record: Mapping[str, Any]) -> Iterator[Target]:
    """Times as fast, with the same paths."""
    seconds = record["seconds"]
    ratio = seconds["networkx"] / seconds["ours"]
    told = f"{ratio:.0f}x ({seconds['ours']:.2f} s, networkx {seconds['networkx']:.0f} s)"
    yield Target(
        f"paths of {record['queries']} queries, times as fast as networkx", told, f"at least {TARGET}x", ratio >= TARGET
    )
    yield Target("paths found", f"{record['paths']:,}", "the same as networkx's", record["same_paths"])


def _by_networkx(triples: Sequence[Triple], queries: Sequence[Query]) -> Iterator[list[list[tuple[Triple, ...]]]]:
    """Of each candidate all simple paths of edges in the graph with an inverse of each."""
    graph = nx.MultiDiGraph()
    for head, relation, tail in dict.fromkeys(triples):
        graph.add_edge(head, tail, key=(head, relation, tail))
        graph.add_edge(tail, head, key=(head, relation, tail))
    for query in queries:
        found = []
        for head, _, tail in query.facts:
            known = head in graph and tail in graph and head != tail
            paths = nx.all_simple_edge_paths(graph, head, tail, cutoff=LONGEST) if known else []
            found.append([tuple(key for _, _, key in path) for path in paths])
        yield found
