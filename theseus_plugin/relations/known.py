"""Which relations a model can be asked about: those of a graph, or with a text of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from theseus_plugin.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from theseus_plugin.relations.graph import Graph
    from theseus_plugin.relations.queries import Query
    from theseus_plugin.relations.task import Relations
    from theseus_plugin.relations.text import Names


def known_relations(task: Relations, graph: Graph, names: Names) -> Collection[str]:
    """Relations of `graph`, where paths are found, of the graph that the model learnt from, and those with a text."""
    from theseus_plugin.relations.graph import read_triples

    return {*graph.relations, *names.relations, *(relation for _, relation, _ in read_triples(task.config.train))}


def require_known(queries: Sequence[Query], files: Sequence[str], graph: Graph, known: Collection[str]) -> None:
    """Refuse queries of a relation that means nothing to any model, which would still be ranked, and queries of another
    graph. That single entities are not in the graph is no mistake.

    Args:
        queries: all facts of one have the same relation.
        files: where they were read.
        graph: where paths are found.
        known: see `known_relations`.

    Raises:
        UserError: there is such a query, or none with an entity of the graph; says the file and the line.
    """
    for query in queries:
        _, relation, _ = fact = query.facts[0]
        if relation not in known:
            raise UserError(
                f"{_place(files, fact)}: relation {relation!r} is not in the graph: {did_you_mean(relation, known)}"
            )
    shared = [query.facts[0][0 if query.varied == "tail" else 2] for query in queries]
    if not any(entity in graph.entities for entity in shared):
        raise UserError(
            f"{_place(files, queries[0].facts[0])}: entity {shared[0]!r} is not in the graph, nor is that of any other "
            "query: name the graph of these queries as `facts`"
        )


def _place(files: Sequence[str], fact: Sequence[str]) -> str:
    """File and line of a fact."""
    for file in files:
        lines = Path(file).read_text(encoding="utf-8-sig").split("\n")
        for number, line in enumerate(lines, start=1):
            if [part.strip() for part in line.split("\t")] == list(fact):
                return f"{file}, line {number}"
    return ", ".join(files)
