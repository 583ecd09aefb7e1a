"""A knowledge graph as integer arrays: facts, and from each entity the steps along and against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.textfiles import BLANK, lines, open_text

Triple = tuple[str, str, str]
"""Head, relation, tail."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Facts by number; entities and relations by number. A graph equals itself alone, so that it can be a key."""

    facts: np.ndarray
    """(facts, 3): head, relation, tail; each fact once."""
    entities: Mapping[str, int]
    relations: Mapping[str, int]

    @classmethod
    def of(cls, triples: Sequence[Triple], place: str = "the graph") -> Graph:
        """The graph of some facts; entities and relations are numbered as they come.

        Raises:
            UserError: there is none.
        """
        if not triples:
            raise UserError(f"{place}: no facts there: give lines of head, relation and tail")
        entities: dict[str, int] = {}
        relations: dict[str, int] = {}
        rows = dict.fromkeys(
            (
                entities.setdefault(head, len(entities)),
                relations.setdefault(relation, len(relations)),
                entities.setdefault(tail, len(entities)),
            )
            for head, relation, tail in triples
        )
        return cls(np.array(list(rows), dtype=np.int64), entities, relations)

    @cached_property
    def names(self) -> list[str]:
        """Of entities, by number."""
        return list(self.entities)

    @cached_property
    def relation_names(self) -> list[str]:
        """By number."""
        return list(self.relations)

    @cached_property
    def _steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where each entity's steps begin, (entities + 1,); where each leads; the fact it goes along or against."""
        numbers = np.arange(len(self.facts))
        heads, tails = self.facts[:, 0], self.facts[:, 2]
        sources, ends = np.concatenate([heads, tails]), np.concatenate([tails, heads])
        facts = np.concatenate([numbers, numbers])
        walked = sources != ends  # a fact of an entity with itself leads nowhere new
        sources, ends, facts = sources[walked], ends[walked], facts[walked]
        order = np.lexsort((facts, ends, sources))
        begins = np.searchsorted(sources[order], np.arange(len(self.entities) + 1))
        return begins, ends[order], facts[order]

    def steps(self, entity: int) -> tuple[np.ndarray, np.ndarray]:
        """Entities next to one, and the facts that lead there; ordered by entity, then by fact."""
        begins, ends, facts = self._steps
        part = slice(begins[entity], begins[entity + 1])
        return ends[part], facts[part]

    def steps_of_all(self, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The steps of several entities, one after the other: the place in `entities` each starts from, where it leads,
        its fact.
        """
        begins, ends, facts = self._steps
        origin, places = spread_out(begins[entities], begins[entities + 1])
        return origin, ends[places], facts[places]

    def number(self, triple: Triple) -> int | None:
        """The number of a fact; None: it is not in the graph."""
        head, relation, tail = triple
        row = (self.entities.get(head), self.relations.get(relation), self.entities.get(tail))
        return self._numbers.get(row)

    @cached_property
    def _numbers(self) -> dict[tuple[int | None, int | None, int | None], int]:
        return {(head, relation, tail): at for at, (head, relation, tail) in enumerate(map(tuple, self.facts.tolist()))}


def spread_out(begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Several ranges, one after the other: for each number in them which range it is of, and the number."""
    counts = ends - begins
    origin = np.repeat(np.arange(len(begins)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return origin, begins[origin] + offsets


def read_triples(file: str | Path) -> list[Triple]:
    """Lines of head, relation and tail, separated by tabs; empty ones are passed over.

    Raises:
        UserError: no such file, or a line of another shape.
    """
    triples: list[Triple] = []
    with open_text(file) as stream:
        for number, line in enumerate(lines(stream), start=1):
            parts = [part.strip(BLANK) for part in line.split("\t")]
            if parts == [""]:
                continue
            if len(parts) != 3 or not all(parts):
                raise UserError(f"{file}, line {number}: {len(parts)} parts, not head, relation and tail: fix the line")
            triples.append((parts[0], parts[1], parts[2]))
    return triples
