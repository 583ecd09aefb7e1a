"""The paths of a query's candidates, as inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

import datasets

from theseus_plugin.contract import Features
from theseus_plugin.relations.encode import Encoder
from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.paths import Path, Paths, neighbourhood, some
from theseus_plugin.relations.queries import Query, Varied
from theseus_plugin.relations.text import Names, instance

Numbered = tuple[int, Query]


def columns() -> dict[str, Any]:
    """Of an example beside the inputs: the query, the candidate, the path; whether steps were left out of its text, and
    whether the candidate has more paths than are judged.
    """
    number, flag = datasets.Value("int32"), datasets.Value("bool")
    return {"query": number, "candidate": number, "path": datasets.List(number), "cut": flag, "capped": flag}


@dataclass(frozen=True)
class Finder:
    """Finds the paths between the entities of facts."""

    graph: Graph
    most: int | None = None
    """Of each fact; None: all."""
    seed: int = 0
    """Of the sample that is taken where there are more."""

    def paths(self, query: Query) -> Iterator[tuple[list[Path], bool]]:
        """Of each candidate its paths from head to tail, and whether there were more. None uses the candidate itself,
        should the graph hold it. The sought paths lead from the entity that all candidates share, so that its
        surroundings are looked at once, and what lies outside them is passed over: most of the false ones.
        """
        paths_from = cache(lambda start, without: Paths(self.graph, start, without))
        near = self._near(query)
        for fact in query.facts:
            head, tail = (self.graph.entities.get(entity) for entity in (fact[0], fact[2]))
            if head is None or tail is None or (tail if query.varied == "tail" else head) not in near:
                yield [], False
                continue
            found = self._between(head, tail, query.varied, paths_from, self.graph.number(fact))
            chosen = found if self.most is None else some(found, self.most, [self.seed, head, tail])
            yield chosen, len(chosen) < len(found)

    def unknown(self, fact: Triple) -> bool:
        """Whether an entity of a fact is not in the graph, so that no path can be."""
        return fact[0] not in self.graph.entities or fact[2] not in self.graph.entities

    def _near(self, query: Query) -> Set[int]:
        """The entities that a path from the shared entity of a query can come to."""
        shared = self.graph.entities.get(query.facts[0][0 if query.varied == "tail" else 2])
        return set() if shared is None else set(neighbourhood(self.graph, shared).tolist())

    @staticmethod
    def _between(head: int, tail: int, varied: Varied, paths_from: Any, without: int | None) -> list[Path]:
        if varied == "tail":
            return list(paths_from(head, without).to(tail))
        back = (path[::-1] for path in paths_from(tail, without).to(head))
        return sorted(back, key=lambda path: (len(path), path))


@dataclass(frozen=True)
class ExampleMaker:
    """Makes an example of each path of each candidate of a query."""

    finder: Finder
    names: Names
    encoder: Encoder

    def examples(self, numbered: Numbered) -> Iterator[Features]:
        """Of a query and its number."""
        number, query = numbered
        graph = self.finder.graph
        for candidate, (paths, capped) in enumerate(self.finder.paths(query)):
            for path in paths:
                features, cut = self.encoder.encode(instance(graph, self.names, query.facts[candidate], path))
                own = {"query": number, "candidate": candidate, "path": list(path), "cut": cut, "capped": capped}
                yield {**features, "labels": 0, **own}
