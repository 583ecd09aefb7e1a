"""From facts to examples, which go to disk as they are made: there can be hundreds of thousands of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import datasets

from theseus_plugin.contract import Features
from theseus_plugin.relations.encode import Encoder
from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.negatives import Negatives
from theseus_plugin.relations.on_disk import on_disk
from theseus_plugin.relations.paths import Paths
from theseus_plugin.relations.text import Names, instance

FALSE, TRUE = 0, 1
_CUT = "cut"
"""The column that tells whether steps were left out."""
Judged = tuple[Triple, list[Triple]]
"""A true fact, and the false ones that were made of it."""


@dataclass(frozen=True)
class Maker:
    """Makes examples: one for each of some facts and each of its first paths."""

    graph: Graph
    names: Names
    encoder: Encoder
    paths: int
    """Of each fact, the shortest first."""

    def examples(self, judged: Judged) -> list[Features]:
        """Of a true fact and of the false ones made of it. No path uses the true one, theirs neither. Of a fact between
        entities that nothing else joins there is none, and only the first false one is taken then.
        """
        fact, false = judged
        without = self.graph.number(fact)
        paths_from = cache(lambda head: Paths(self.graph, head, without))  # half of the false ones have its head
        own = list(self._of(fact, TRUE, paths_from))
        others = [example for one in (false if own else false[:1]) for example in self._of(one, FALSE, paths_from)]
        return own + others

    def _of(self, fact: Triple, label: int, paths_from: Callable[[int], Paths]) -> Iterator[Features]:
        head, tail = (self.graph.entities.get(entity) for entity in (fact[0], fact[2]))
        if head is None or tail is None:
            return
        for path in paths_from(head).to(tail)[: self.paths]:
            features, cut = self.encoder.encode(instance(self.graph, self.names, fact, path))
            yield {**features, "labels": label, _CUT: cut}


def judge(graph: Graph, facts: Sequence[Triple], count: int, seed: int) -> list[Judged]:
    """Every fact with up to `count` false ones, none of which is in the graph, among the facts, or drawn twice."""
    draws = Negatives(graph, seed, facts)
    return [(fact, draws.of(fact, count)) for fact in facts]


def stored(maker: Maker, judged: Sequence[Judged], file: str, processes: int | None) -> tuple[datasets.Dataset, int]:
    """The examples of all facts in their order, in a file that is read where it is needed, and how many of them were
    cut.

    Args:
        maker: makes them.
        judged: facts.
        file: to write.
        processes: that make them; None: one.
    """
    flag = datasets.Value("bool")
    made = on_disk(maker.examples, judged, maker.encoder.names, {_CUT: flag}, file, processes, "examples")
    return made.remove_columns(_CUT), sum(made[_CUT])
