"""Paths between two entities: at most three facts, walked along or against, no entity twice (BERTRL, section 3.1).

They meet in the middle: what leads away from one entity in two steps is found once, for all the entities that a query
would have at the other end, and each of these adds the last step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from theseus_plugin.relations.graph import Graph, spread_out

LONGEST = 3
"""Facts of a path."""
Path = tuple[int, ...]
"""Numbers of facts, from one entity to the other."""


class Paths:
    """Finds paths from one entity to others.

    Args:
        graph: to walk in.
        start: where all paths begin.
        without: a fact that no path may use, the one that is to be judged; None: all may be used.
    """

    def __init__(self, graph: Graph, start: int, without: int | None = None) -> None:
        self._graph, self._start = graph, start
        self._without = -1 if without is None else without
        ends, facts = graph.steps(start)
        used = facts != self._without
        self._first, self._first_facts = ends[used], facts[used]
        self._two_steps()

    def to(self, end: int) -> list[Path]:
        """All paths to `end`, the shortest first, then by number; none to the start itself."""
        if end == self._start:
            return []
        groups = self._one(end), self._two(end), self._three(end)
        return [tuple(path) for group in groups for path in group.tolist()]

    def _two_steps(self) -> None:
        """Every walk of two steps from the start that comes back to nothing, ordered by where it ends."""
        origin, ends, facts = self._graph.steps_of_all(self._first)
        kept = (ends != self._start) & (facts != self._without)
        origin, ends, facts = origin[kept], ends[kept], facts[kept]
        order = np.lexsort((facts, self._first_facts[origin], ends))
        self._ends = ends[order]
        self._middles = self._first[origin][order]
        self._walks = np.column_stack([self._first_facts[origin], facts])[order]

    def _one(self, end: int) -> np.ndarray:
        return np.sort(self._first_facts[self._first == end])[:, None]

    def _two(self, end: int) -> np.ndarray:
        low, high = np.searchsorted(self._ends, [end, end + 1])
        return self._walks[low:high]

    def _three(self, end: int) -> np.ndarray:
        """Two steps to a neighbour of the end that did not pass through the end, and one more."""
        before, facts = self._graph.steps(end)
        kept = (before != self._start) & (facts != self._without)
        before, facts = before[kept], facts[kept]
        last, places = spread_out(np.searchsorted(self._ends, before), np.searchsorted(self._ends, before + 1))
        kept = self._middles[places] != end
        rows = np.column_stack([self._walks[places[kept]], facts[last[kept]]])
        return rows[np.lexsort(rows.T[::-1])]


def some(paths: Sequence[Path], most: int, key: Sequence[int]) -> list[Path]:
    """At most so many of some paths, which come the shortest first: the shortest ones, and of the longest that are
    taken a sample that depends on `key`, numbers from 0, alone.
    """
    if len(paths) <= most:
        return list(paths)
    longest = len(paths[most])
    shorter = [path for path in paths if len(path) < longest]
    others = [path for path in paths if len(path) == longest]
    drawn = np.random.default_rng(key).choice(len(others), most - len(shorter), replace=False)
    return shorter + [others[at] for at in sorted(drawn)]


@lru_cache(maxsize=4096)
def neighbourhood(graph: Graph, entity: int, steps: int = LONGEST) -> np.ndarray:
    """The entities within so many steps of one, itself included, in order."""
    near = np.array([entity])
    edge = near
    for _ in range(steps):
        reached = np.unique(graph.steps_of_all(edge)[1])
        edge = np.setdiff1d(reached, near, assume_unique=True)
        near = np.union1d(near, edge)
    return near


def walked(graph: Graph, path: Iterable[int], start: int) -> list[tuple[int, int]]:
    """The steps of a path from `start`: of each its fact, and the entity it comes to."""
    steps, at = [], start
    for fact in path:
        head, _, tail = graph.facts[fact]
        at = int(tail if head == at else head)
        steps.append((int(fact), at))
    return steps
