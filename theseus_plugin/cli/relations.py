"""Commands for knowledge graphs: rank, explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from theseus_plugin.cli.options import as_json_option, runs_models, set_option, task_option
from theseus_plugin.cli.printing import print_json, say, show_models


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--queries", required=True, multiple=True, metavar="FILE", help="Candidate facts; may be repeated.")
@click.option("--facts", metavar="FILE", help="Facts that paths are made of.  [default: the task's train]")
@task_option
@click.option("--output", metavar="FOLDER", help="Write every ranked query with the paths that decided.")
@set_option("Any option, as aggregator=mean.")
@runs_models
@as_json_option
def rank(models: Sequence[str], task: str | None, overrides: Sequence[str], as_json: bool, **options: Any) -> None:
    """Rank the true one of many candidate facts of a knowledge graph: Hits@1, Hits@10, MRR.

    MODEL is a checkpoint, an ONNX folder or file, trained on the task relations.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override
    from theseus_plugin.relations.report import table

    given = {name: value for name, value in options.items() if value is not None}
    record = api.rank(models, task, **override({**given, "queries": list(given["queries"])}, overrides))
    show_models(record, table, "queries", given.get("output"), as_json)


@click.command()
@click.argument("head")
@click.argument("relation")
@click.argument("tail")
@click.option("--model", required=True, help="A checkpoint, an ONNX folder or file, trained on the task relations.")
@click.option("--facts", metavar="FILE", help="Facts that paths are made of.  [default: the task's train]")
@task_option
@click.option("--paths", "shown", type=click.IntRange(min=1), default=5, show_default=True, help="Paths to show.")
@set_option("Any option, as aggregator=mean.")
@as_json_option
def explain(
    head: str,
    relation: str,
    tail: str,
    model: str,
    facts: str | None,
    task: str | None,
    shown: int,
    overrides: Sequence[str],
    as_json: bool,
) -> None:
    """Judge a fact of a knowledge graph, and show the paths between its entities that say so.

    HEAD, RELATION and TAIL are names, as in the files of facts, or their texts.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override

    record = api.explain(model, (head, relation, tail), task, **override({"facts": facts}, overrides))
    if as_json:
        print_json(record)
        return
    fact = " ".join(record["text"])
    if not record["paths"]:
        say(f"{fact}: no path of three facts or fewer joins these entities: nothing to judge it by")
        return
    say(f"{fact}: {100 * record['probability']:.1f} % likely, by {len(record['paths'])} paths")
    for path in record["paths"][:shown]:
        say(f"{100 * path['probability']:5.1f} %  {path['in_words']}")
