"""False facts to learn from (BERTRL, section 3.3): near both entities of a true one, so that nearness does not tell."""

from __future__ import annotations

import numpy as np

from theseus_plugin.tasks.relations.graph import Graph
from theseus_plugin.tasks.relations.paths import neighbourhood

Fact = tuple[int, int, int]
"""Head, relation, tail, by number."""


class Negatives:
    """Draws false facts, none of them twice.

    Args:
        graph: of the true ones.
        seed: of the draws.
    """

    def __init__(self, graph: Graph, seed: int) -> None:
        self._graph = graph
        self._taken: set[Fact] = set(map(tuple, graph.facts.tolist()))
        self._random = np.random.default_rng(seed)

    def of(self, fact: Fact, count: int) -> list[Fact]:
        """Up to `count` facts whose head or tail is another entity within three steps of both, and that are neither
        true nor drawn before.
        """
        head, relation, tail = fact
        near = np.intersect1d(neighbourhood(self._graph, head), neighbourhood(self._graph, tail), assume_unique=True)
        near = near[(near != head) & (near != tail)]
        others = [(head, relation, entity) for entity in near.tolist()]
        others += [(entity, relation, tail) for entity in near.tolist()]
        open_ones = [one for one in others if one not in self._taken]
        drawn = self._random.permutation(len(open_ones))[:count]
        chosen = [open_ones[at] for at in drawn]
        self._taken.update(chosen)
        return chosen
