"""False facts to learn from (BERTRL, section 3.3): near both entities of a true one, so that nearness does not tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.paths import neighbourhood


class Negatives:
    """Draws false facts, none of them twice.

    Args:
        graph: what is true in it is never drawn.
        seed: of the draws.
        more: further facts that are true.
    """

    def __init__(self, graph: Graph, seed: int, more: Sequence[Triple] = ()) -> None:
        self._graph = graph
        names, relations = graph.names, graph.relation_names
        told = ((names[head], relations[relation], names[tail]) for head, relation, tail in graph.facts.tolist())
        self._taken: set[Triple] = {*told, *more}
        self._random = np.random.default_rng(seed)

    def of(self, fact: Triple, count: int) -> list[Triple]:
        """Up to `count` facts whose head or tail is another entity within three steps of both, and that are neither
        true nor drawn before; none for a fact of entities that are not in the graph.
        """
        head, relation, tail = fact
        first, last = self._graph.entities.get(head), self._graph.entities.get(tail)
        if first is None or last is None:
            return []
        balls = neighbourhood(self._graph, first), neighbourhood(self._graph, last)
        both = np.intersect1d(balls[0], balls[1], assume_unique=True)
        near = [self._graph.names[at] for at in both.tolist() if at not in (first, last)]
        others = [(head, relation, entity) for entity in near] + [(entity, relation, tail) for entity in near]
        open_ones = [one for one in others if one not in self._taken]
        drawn = self._random.permutation(len(open_ones))[:count]
        chosen = [open_ones[at] for at in drawn]
        self._taken.update(chosen)
        return chosen
