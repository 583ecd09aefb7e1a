"""Queries: a true fact, and false ones that differ from it in one entity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from theseus_plugin.errors import UserError
from theseus_plugin.relations.graph import Triple, read_triples

Varied = Literal["head", "tail"]


@dataclass(frozen=True)
class Query:
    """Facts of which one is true."""

    facts: tuple[Triple, ...]
    """The true one first."""
    varied: Varied
    """What they differ in."""


def read_queries(files: Sequence[str], candidates: int) -> list[Query]:
    """The queries of all files.

    Args:
        files: lines of head, relation and tail, `candidates` of them a query; what is varied is seen from them, files
            are called one way or the other.
        candidates: of each query.

    Raises:
        UserError: a file that cannot be read or is malformed, one without queries, or lines that are no query.
    """
    queries: list[Query] = []
    for file in files:
        facts = read_triples(file)
        if not facts or len(facts) % candidates:
            raise UserError(
                f"{file}: {len(facts):,} facts are not queries of {candidates} candidates each: set `candidates`"
            )
        for start in range(0, len(facts), candidates):
            group = tuple(facts[start : start + candidates])
            queries.append(Query(group, _varied(group, f"{file}, facts {start + 1} to {start + candidates}")))
    return queries


def _varied(facts: Sequence[Triple], place: str) -> Varied:
    heads, relations, tails = (set(column) for column in zip(*facts, strict=True))
    if len(relations) == 1 and len(heads) == 1:
        return "tail"
    if len(relations) == 1 and len(tails) == 1:
        return "head"
    raise UserError(f"{place}: neither all of one head and relation nor all of one relation and tail: set `candidates`")
