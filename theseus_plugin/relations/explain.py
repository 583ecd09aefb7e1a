"""Why a model holds a fact for true: the paths that say so, the strongest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.relations.config import Judging
from theseus_plugin.relations.evaluator import graph_of, names_of, relations_of

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.relations.graph import Graph, Triple
    from theseus_plugin.relations.text import Names


def explain(model: str, task: Task, fact: Triple, config: Judging) -> dict[str, Any]:
    """What a model says of a fact.

    Args:
        model: a checkpoint, an ONNX folder or file.
        task: `relations`, which knows the names.
        fact: head, relation and tail, each by its name or, where it is the only one, by its text.
        config: how facts are judged.

    Returns:
        `fact`; its `text`; its `probability`, None where no path joins its entities; `paths`, the strongest first, each
        with its `probability`, its `steps` and the same `in_words`; `capped`: whether there are more.

    Raises:
        UserError: a path that is no model, a task other than `relations`, or an entity or relation that is not known.
    """
    from theseus_plugin.measure.placement import admitted
    from theseus_plugin.relations.encode import Encoder
    from theseus_plugin.relations.finder import ExampleMaker, Finder
    from theseus_plugin.relations.judge import judging
    from theseus_plugin.relations.known import known_relations
    from theseus_plugin.relations.queries import Query
    from theseus_plugin.relations.ranks import aggregated
    from theseus_plugin.relations.report import in_words, probability, told

    [chosen], relations = admitted([model], config), relations_of(task)
    graph, names = graph_of(relations, config.facts), names_of(relations)
    fact = _known(fact, graph, names, known_relations(relations, graph, names))
    encoder = Encoder.of(str(chosen.folder), relations.config.max_length)
    maker = ExampleMaker(Finder(graph, config.paths, config.seed), names, encoder)
    examples = list(maker.examples((0, Query((fact,), "tail"))))
    record: dict[str, Any] = {
        "fact": list(fact),
        "text": [names.entity(fact[0]), names.relation(fact[1]), names.entity(fact[2])],
        "probability": None,
        "paths": [],
        "capped": any(one["capped"] for one in examples),
    }
    if not examples:
        return record
    with judging(chosen, task.auto_class, config, encoder.tokenizer) as judge:
        by_column = {name: [one[name] for one in examples] for name in examples[0]}
        log_odds = judge.log_odds(by_column, encoder.names)
    for at in (-log_odds).argsort(kind="stable").tolist():
        steps = told(graph, names, fact, examples[at]["path"])
        record["paths"].append({"probability": probability(log_odds[at]), "in_words": in_words(steps), "steps": steps})
    return {**record, "probability": probability(aggregated(log_odds, config.aggregator))}


def _known(fact: Triple, graph: Graph, names: Names, relations: Iterable[str]) -> Triple:
    """The fact by the names that the graph has. A relation may be new to it, if the model knows it or it has a text."""
    head, relation, tail = fact
    return (
        _found(head, graph.entities, names.entity, "entity"),
        _found(relation, relations, names.relation, "relation"),
        _found(tail, graph.entities, names.entity, "entity"),
    )


def _found(given: str, known: Iterable[str], text_of: Any, kind: str) -> str:
    if given in known:
        return given
    called = [name for name in known if text_of(name) == given]
    if len(called) == 1:
        return called[0]
    if called:
        raise UserError(f"{kind} {given!r}: {len(called)} are called so: give one of {', '.join(sorted(called)[:10])}")
    near = did_you_mean(given, [*known, *map(text_of, known)])
    raise UserError(f"{kind} {given!r} is not in the graph: {near}")
