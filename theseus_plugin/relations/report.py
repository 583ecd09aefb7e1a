"""What people see: measures of models, ranked queries, and the paths that decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.console import plain
from theseus_plugin.relations.config import Aggregator
from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.paths import Path as Facts
from theseus_plugin.relations.paths import walked
from theseus_plugin.relations.queries import Query
from theseus_plugin.relations.ranks import RULES, Scores, aggregated, ranks
from theseus_plugin.relations.text import Names

if TYPE_CHECKING:
    import datasets
    from rich.table import Table

_SHOWN = 3
"""Candidates of each query that are written, beside the true one."""
_HEADINGS = {"mean": "mean rank", "optimistic": "optimistic", "pessimistic": "pessimistic", "paper": "the paper's rule"}


def table(models: Sequence[Mapping[str, Any]]) -> Table:
    """A row per measure, a column per model."""
    from rich.table import Table

    records = [model["ranking"] for model in models]
    shown = Table("ranking")
    for model in models:
        shown.add_column(plain(model["model"]))
    for rule in RULES:
        for name, heading in (("hits@1", "Hits@1"), ("hits@10", "Hits@10"), ("mrr", "MRR")):
            shown.add_row(
                f"{heading} x 100, {_HEADINGS[rule]}", *(_cell(record["rules"][rule], name) for record in records)
            )
    shown.add_row("true facts with a path, %", *(f"{100 * record['coverage']:.1f}" for record in records))
    shown.add_row("candidates of unknown entities", *(f"{record['unknown']:,}" for record in records))
    shown.add_row("queries a second", *(f"{record['queries_per_second']:.1f}" for record in records))
    shown.add_row("queries, paths", *(f"{record['queries']:,}, {record['paths']:,}" for record in records))
    return shown


def told(graph: Graph, names: Names, fact: Triple, path: Facts) -> list[dict[str, Any]]:
    """The steps of a path in texts, as they are walked from the fact's head: each fact in its own direction, and
    whether it was walked against.
    """
    steps, at = [], graph.entities[fact[0]]
    for number, reached in walked(graph, path, at):
        head, relation, tail = graph.facts[number].tolist()
        triple = graph.names[head], graph.relation_names[relation], graph.names[tail]
        text = [names.entity(triple[0]), names.relation(triple[1]), names.entity(triple[2])]
        steps.append({"fact": list(triple), "text": text, "against": head != at})
        at = reached
    return steps


def in_words(steps: Sequence[Mapping[str, Any]]) -> str:
    """A path as one line, arrows in the direction of its facts."""
    first = steps[0]
    words = [first["text"][2 if first["against"] else 0]]
    for step in steps:
        head, relation, tail = step["text"]
        words.append(f"<-[{relation}]- {head}" if step["against"] else f"-[{relation}]-> {tail}")
    return " ".join(words)


def probability(log_odds: float) -> float:
    """Of log-odds, in four digits."""
    return round(float(1 / (1 + np.exp(-log_odds))), 4)


def write_queries(
    file: Path,
    queries: Sequence[Query],
    graph: Graph,
    names: Names,
    scores: Sequence[Scores],
    examples: datasets.Dataset,
    aggregator: Aggregator,
) -> None:
    """A JSON line a query: ranks, and of the true and the best candidates what they score and the path that says so.

    Args:
        file: to write.
        queries: in the order of their numbers.
        graph: that paths are found in.
        names: of entities and relations.
        scores: log-odds of paths, by query and candidate.
        examples: the paths, in the same order.
        aggregator: makes the scores of a candidate's paths one.
    """
    first = 0
    with file.open("w", encoding="utf-8") as lines:
        for query, of in zip(queries, scores, strict=True):
            together = [aggregated(one, aggregator) for one in of]
            begins = first + np.cumsum([0, *(len(one) for one in of)])
            best = [at for at in np.argsort(-np.array(together), kind="stable")[:_SHOWN].tolist() if len(of[at])]
            shown = []
            for at in dict.fromkeys([0, *best]):
                one: dict[str, Any] = {"fact": list(query.facts[at]), "true": at == 0, "paths": len(of[at])}
                if len(of[at]):
                    path = examples[int(begins[at] + of[at].argmax())]["path"]
                    steps = told(graph, names, query.facts[at], path)
                    one |= {"probability": probability(together[at]), "best_path": in_words(steps)}
                shown.append(one)
            record = {"varied": query.varied, "ranks": ranks(of, aggregator), "candidates": shown}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            first = int(begins[-1])


def _cell(record: Mapping[str, Any], name: str) -> str:
    low, high = record["intervals"][name]
    return f"{100 * record[name]:.1f} ({100 * low:.1f} to {100 * high:.1f})"
