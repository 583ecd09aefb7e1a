"""The command line. Each command parses, calls the function of the same name in `api`, and prints.

Importing this module imports neither torch nor pydantic nor any plugin: `--help` has to be there at once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from theseus_plugin.errors import UserError
from theseus_plugin.launching import is_first_process
from theseus_plugin.scale import scale

_PATIENCE = 30
"""Seconds that other processes leave the first one to tell a mistake before they tell it themselves."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the record as JSON on standard output.")
resume_option = click.option(
    "--resume", is_flag=True, help="Continue an interrupted run from its last checkpoint, if there is one."
)
task_option = click.option(
    "--task", metavar="RECIPE", help="Recipe that names the task.  [default: the one in the model's own record]"
)


def takes_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """The argument RECIPE and the options that go with it."""
    command = as_json_option(command)
    command = click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a key.")(command)
    return click.argument("recipe")(command)


def runs_models(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that run models: where, and with how many threads."""
    command = click.option("--threads", type=int, help="Threads.  [default: all usable cores]")(command)
    places = click.Choice(["cpu", "cuda", "tensorrt"])
    return click.option("--device", type=places, help="Where to run them.  [default: cpu]")(command)


def main(arguments: Sequence[str] | None = None, prog_name: str = "theseus-plugin") -> None:
    """Entry point: what the user can mend becomes one line and an exit status, 2 unless it says otherwise.

    Args:
        arguments: of the command; None: those of this process.
        prog_name: the command as help texts show it.
    """
    try:
        app(arguments, prog_name=prog_name)
    except Exception as error:
        # not UserError alone: a plugin that imports nothing of ours marks its own
        if not getattr(error, "mendable", False):
            raise
        if not is_first_process() and getattr(error, "first_process_only", True):
            # The first process meets it too, and tells it: a launcher ends all of them as soon as one has failed.
            time.sleep(_PATIENCE)
        click.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "status", UserError.status))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="theseus-plugin")
def app() -> None:
    """Compress fine-tuned transformers by progressive module replacing, and measure what that bought."""


@app.command()
@as_json_option
@click.option("--check", is_flag=True, help="Load each plugin and say what is wrong with it.")
def plugins(as_json: bool, check: bool) -> None:
    """List what is installed, from which distribution, broken ones included."""
    from theseus_plugin import registry

    rows = registry.listing(check)
    if as_json:
        _print_json([asdict(row) for row in rows])
    else:
        for row in rows:
            origin = f"{row.distribution} {row.version}"
            state = f"BROKEN: {row.problem}" if row.problem else "ok"
            click.echo(f"{row.kind:<10} {row.name:<22} {origin:<24} {state}")
    if any(row.problem for row in rows):
        sys.exit(1)


@app.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["method", "task", "evaluator", "schedule"]),
    default="method",
    show_default=True,
    help="What the plugin is.",
)
@click.option("--folder", help="Where to write it.  [default: a folder NAME here]")
@as_json_option
def new_plugin(name: str, kind: Any, folder: str | None, as_json: bool) -> None:
    """Write a distribution with a plugin called NAME that works, and its tests, to start from."""
    from theseus_plugin.skeleton import write_skeleton

    folder = folder or name
    files = write_skeleton(name, kind, folder)
    if as_json:
        _print_json({"name": name, "kind": kind, "folder": folder, "files": files})
    else:
        click.echo(f"{folder}: {kind} {name!r}; next: pip install -e '{folder}[test]' && pytest {folder}")


@app.command()
@takes_recipe
@resume_option
def fit(recipe: str, overrides: Sequence[str], resume: bool, as_json: bool) -> None:
    """Fine-tune a predecessor: `model` of the recipe becomes `predecessor`."""
    from theseus_plugin import api
    from theseus_plugin import recipe as recipes

    overrides = [*overrides, *["fit.resume=true"] * resume]
    _print_result(api.fit(recipes.load_recipe(recipe, overrides)), as_json)


@app.command()
@takes_recipe
@resume_option
def compress(recipe: str, overrides: Sequence[str], resume: bool, as_json: bool) -> None:
    """Compress: `predecessor` of the recipe becomes `successor`.

    On many devices: accelerate launch -m theseus_plugin compress RECIPE
    """
    from theseus_plugin import api
    from theseus_plugin import recipe as recipes

    overrides = [*overrides, *["method.training.resume=true"] * resume]
    _print_result(api.compress(recipes.load_recipe(recipe, overrides)), as_json)


@app.command()
@takes_recipe
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Of training in all.  [default: as many as it takes]")
@click.option(
    "--search",
    metavar="OPTION=[VALUE,...]",
    multiple=True,
    help="Values to try, as training.learning_rate=[1e-4,2e-4].",
)
@click.option("--output", metavar="FILE.yaml", help="The recipe to write.  [default: RECIPE-tuned.yaml]")
@click.option("--resume", is_flag=True, help="Continue an interrupted search.")
def tune(
    recipe: str, overrides: Sequence[str], search: Sequence[str], output: str | None, as_json: bool, **options: Any
) -> None:
    """Search the best values of the method's options on the task, and write the recipe that has them.

    The first trial is the recipe as it is; the best one's successor is kept.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override

    output = output or str(Path(recipe).with_name(f"{Path(recipe).stem}-tuned.yaml"))
    chosen = {line.partition("=")[0]: override({}, [f"values={line.partition('=')[2]}"])["values"] for line in search}
    for path, values in chosen.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"--search {path}: give a list of values, as training.learning_rate=[1e-4,2e-4]")
    record = api.tune(recipe, overrides, output=output, search=chosen, **options)
    if as_json:
        _print_json(record)
        return
    from theseus_plugin.tuning.study import metrics_in_words

    shown = metrics_in_words(record["best"]["metrics"])
    click.echo(f"{record['output']}: {shown}, the best of {len(record['trials'])} trials")


@app.command()
@click.argument("checkpoint")
@click.argument("output", metavar="OUT")
@task_option
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8-dynamic", "int8-static"]),
    help="int8 for CPUs, with activation ranges found in each call or once; fp16 for GPUs.  [default: fp32]",
)
@click.option(
    "--max-drop", type=float, help="Points of the metric, or per cent of perplexity, that it may cost.  [default: 0.5]"
)
@click.option("--leave-out", multiple=True, metavar="NODE", help="A node to leave in fp32; may be repeated.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="What to arrange the graph for.  [default: cpu]")
@click.option("--opset", type=int, help="Version of the ONNX operators.  [default: 17]")
@as_json_option
def export(checkpoint: str, output: str, task: str | None, as_json: bool, **options: Any) -> None:
    """Export CHECKPOINT to the ONNX folder OUT, fused, and checked against it on real examples."""
    from theseus_plugin import api

    given = {name: value for name, value in options.items() if value not in (None, ())}
    record = api.export(checkpoint, output, task, **given)
    if as_json:
        _print_json(record)
        return
    agreed = record["parity"]
    line = f"{output}: largest difference in logits {agreed['largest_difference']:.1e} on {agreed['examples']} examples"
    if gate := record["stages"][-1].get("gate"):
        spared = f", {len(gate['left_out'])} nodes left in fp32" if gate["left_out"] else ""
        shown = scale(gate, gate["metric"])
        line += f", {shown.name} {shown.text(gate['before'])} -> {shown.text(gate['after'])}{spared}"
    click.echo(line)


@app.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@task_option
@click.option("--evaluator", "names", multiple=True, metavar="NAME", help="Only this; may be repeated.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="An option, as latency.rounds=30.")
@runs_models
@click.option("--force", is_flag=True, default=None, help="Run also what the device has no fast kernels for.")
@click.option("--report", metavar="FILE.html", help="Write an HTML report.")
@click.option("--records", metavar="FILE.jsonl", help="Append the record to this file.")
@as_json_option
def bench(
    models: Sequence[str],
    task: str | None,
    names: Sequence[str],
    overrides: Sequence[str],
    report: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure latency, size, memory and accuracy of models, and compare them with the first.

    MODEL is an ONNX folder or file, or a checkpoint, which PyTorch runs as it is or, as CHECKPOINT@compiled, compiled.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override

    evaluators = override({name: {} for name in names or api.EVALUATORS}, overrides)
    _show_bench(api.bench(models, task, evaluators, **options), report, as_json)


@app.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--mlm", required=True, metavar="CHECKPOINT", help="Masked language model that proposes words.")
@task_option
@click.option("--samples", type=int, help="Validation examples to attack.  [default: 500]")
@click.option("--output", metavar="FOLDER", help="Write every attacked example, and a page that shows them.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Any option, as max_changed=0.2.")
@runs_models
@as_json_option
def attack(models: Sequence[str], task: str | None, overrides: Sequence[str], as_json: bool, **options: Any) -> None:
    """Attack text classifiers with BERT-ATTACK: how many examples are misled, by changing how many words.

    MODEL is a checkpoint, an ONNX folder or file.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override

    given = {name: value for name, value in options.items() if value is not None}
    record = api.attack(models, task, **override(given, overrides))
    if as_json:
        _print_json(record)
        return
    from rich.console import Console

    from theseus_plugin.bert_attack.shown import table

    Console().print(table(record["models"]))
    if "output" in given:
        click.echo(f"examples: {given['output']}")


@app.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--queries", required=True, multiple=True, metavar="FILE", help="Candidate facts; may be repeated.")
@click.option("--facts", metavar="FILE", help="Facts that paths are made of.  [default: the task's train]")
@task_option
@click.option("--output", metavar="FOLDER", help="Write every ranked query with the paths that decided.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Any option, as aggregator=mean.")
@runs_models
@as_json_option
def rank(models: Sequence[str], task: str | None, overrides: Sequence[str], as_json: bool, **options: Any) -> None:
    """Rank the true one of many candidate facts of a knowledge graph: Hits@1, Hits@10, MRR.

    MODEL is a checkpoint, an ONNX folder or file, trained on the task relations.
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import override

    given = {name: value for name, value in options.items() if value is not None}
    record = api.rank(models, task, **override({**given, "queries": list(given["queries"])}, overrides))
    if as_json:
        _print_json(record)
        return
    from rich.console import Console

    from theseus_plugin.ranking.shown import table

    Console().print(table(record["models"]))
    if "output" in given:
        click.echo(f"queries: {given['output']}")


@app.command()
@click.argument("head")
@click.argument("relation")
@click.argument("tail")
@click.option("--model", required=True, help="A checkpoint, an ONNX folder or file, trained on the task relations.")
@click.option("--facts", metavar="FILE", help="Facts that paths are made of.  [default: the task's train]")
@task_option
@click.option("--paths", "shown", type=click.IntRange(min=1), default=5, show_default=True, help="Paths to show.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Any option, as aggregator=mean.")
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
        _print_json(record)
        return
    fact = " ".join(record["text"])
    if not record["paths"]:
        click.echo(f"{fact}: no path of three facts or fewer joins these entities: nothing to judge it by")
        return
    click.echo(f"{fact}: {100 * record['probability']:.1f} % likely, by {len(record['paths'])} paths")
    for path in record["paths"][:shown]:
        click.echo(f"{100 * path['probability']:5.1f} %  {path['in_words']}")


@app.command()
@click.argument("output", metavar="OUT.json")
@as_json_option
def olive_config(output: str, as_json: bool) -> None:
    """Write Microsoft Olive's package configuration with every method as a pass: for olive run --package-config."""
    from theseus_plugin.files import write_json
    from theseus_plugin.hosts import olive

    content = olive.package_config()
    names = [olive.GENERIC, *olive.passes()]
    try:
        write_json(Path(output), content)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}: give the path of a file in a folder") from None
    if as_json:
        _print_json({"output": output, "passes": names})
    else:
        click.echo(f"{output}: Olive's passes and {', '.join(names)}")


@app.command()
@click.option("--folder", default="runs/demo", show_default=True, help="Where everything goes.")
@click.option("--quick", is_flag=True, help="A fraction of the training: see it work in minutes.")
@as_json_option
def demo(folder: str, quick: bool, as_json: bool) -> None:
    """Run the whole job on the embedded model and data; finished steps are not done twice."""
    from theseus_plugin.demo import run

    record, report = run(folder, quick)
    _show_bench(record, report, as_json)


def _show_bench(record: dict[str, Any], report: str | None, as_json: bool) -> None:
    from rich.console import Console

    from theseus_plugin.measure.findings import findings
    from theseus_plugin.measure.recommend import recommendation
    from theseus_plugin.measure.report import table, write_report

    if report is not None:
        write_report(report, record["models"], "Benchmark", record["environment"])
    if as_json:
        _print_json(record)
        return
    Console().print(table(record["models"]))
    for line in findings(record["models"]):
        click.echo(line)
    if advice := recommendation(record["models"]):
        click.secho(advice, bold=True)
    if report is not None:
        click.echo(f"report: {report}")


def _print_result(result: Any, as_json: bool) -> None:
    if not is_first_process():
        return
    if as_json:
        _print_json(result)
        return
    metric = result["metric"]
    shown = scale(result, metric)
    before = f"{shown.text(result['before'][metric])} -> " if result["before"] else ""
    sizes = " -> ".join(f"{n / 1e6:.1f}M" for n in dict.fromkeys(result["parameters"].values()))
    click.echo(
        f"{result['output']}: {metric} {before}{shown.text(result['after'][metric])}, parameters {sizes},"
        f" {result['training']['seconds']:.0f} s"
    )


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
