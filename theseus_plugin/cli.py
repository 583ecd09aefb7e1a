"""The command line. Each command parses, calls the function of the same name in `api`, and prints.

Importing this module imports neither torch nor any plugin.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from theseus_plugin.errors import UserError

app = typer.Typer(
    help="Compress fine-tuned transformers by progressive module replacing, and measure what that bought.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe.")]
RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="YAML or JSON file, see examples/.")]
TaskFile = Annotated[
    str | None,
    typer.Option("--task", metavar="RECIPE", help="Recipe that names the task; default: the model's own."),
]


def main() -> None:
    """Entry point: a `UserError` becomes one line and exit status 2."""
    try:
        app()
    except UserError as error:
        if _first_process():
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def plugins(
    as_json: AsJson = False,
    check: Annotated[bool, typer.Option("--check", help="Load each plugin and say what is wrong with it.")] = False,
) -> None:
    """List what is installed, from which distribution, broken ones included."""
    from theseus_plugin import registry

    rows = registry.listing(check)
    if as_json:
        _print_json([asdict(row) for row in rows])
    else:
        for row in rows:
            origin = f"{row.distribution} {row.version}"
            typer.echo(
                f"{row.kind:<10} {row.name:<22} {origin:<24} {'BROKEN: ' + row.problem if row.problem else 'ok'}"
            )
    if any(row.problem for row in rows):
        raise typer.Exit(1)


@app.command()
def fit(recipe: RecipeFile, overrides: Set = None, as_json: AsJson = False) -> None:
    """Fine-tune a predecessor: `model` of the recipe becomes `predecessor`."""
    from theseus_plugin import api
    from theseus_plugin import recipe as recipes

    _print_result(api.fit(recipes.load_recipe(recipe, overrides or ())), as_json)


@app.command()
def compress(recipe: RecipeFile, overrides: Set = None, as_json: AsJson = False) -> None:
    """Compress: `predecessor` of the recipe becomes `successor`.

    On many devices: accelerate launch -m theseus_plugin compress RECIPE
    """
    from theseus_plugin import api
    from theseus_plugin import recipe as recipes

    _print_result(api.compress(recipes.load_recipe(recipe, overrides or ())), as_json)


@app.command()
def export(
    checkpoint: Annotated[str, typer.Argument(help="Folder of a fine-tuned model.")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="Folder to write.")],
    task: TaskFile = None,
    as_json: AsJson = False,
) -> None:
    """Export to ONNX, fused, and checked against the checkpoint on real examples."""
    from theseus_plugin import api

    record = api.export(checkpoint, output, task)
    if as_json:
        _print_json(record)
    else:
        parity = record["parity"]
        largest, examples = parity["largest_difference"], parity["examples"]
        typer.echo(f"{output}: largest difference in logits {largest:.1e} on {examples} examples")


@app.command()
def bench(
    models: Annotated[list[str], typer.Argument(help="ONNX folders and checkpoints; the first is compared with.")],
    task: TaskFile = None,
    report: Annotated[str | None, typer.Option("--report", metavar="FILE.html", help="Write an HTML report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency, size and accuracy, and compare."""
    from theseus_plugin import api

    record = api.bench(models, task)
    _show_bench(record, report, as_json)


@app.command()
def demo(
    folder: Annotated[str, typer.Option("--folder", help="Where everything goes.")] = "runs/demo",
    quick: Annotated[bool, typer.Option("--quick", help="A fraction of the training: see it work in minutes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole job on the embedded model and data; finished steps are not done twice."""
    from theseus_plugin.demo import run

    record, report = run(folder, quick)
    _show_bench(record, report, as_json)


def _show_bench(record: dict[str, Any], report: str | None, as_json: bool) -> None:
    from rich.console import Console

    from theseus_plugin.measure.findings import findings
    from theseus_plugin.measure.report import table, write_report

    if report is not None:
        write_report(report, record["models"], "Benchmark", record["environment"])
    if as_json:
        _print_json(record)
        return
    Console().print(table(record["models"]))
    for line in findings(record["models"]):
        typer.echo(line)
    if report is not None:
        typer.echo(f"report: {report}")


def _print_result(result: Any, as_json: bool) -> None:
    if not _first_process():
        return
    if as_json:
        _print_json(result)
        return
    metric = result["metric"]
    before = f"{100 * result['before'][metric]:.2f} -> " if result["before"] else ""
    sizes = " -> ".join(f"{n / 1e6:.1f}M" for n in dict.fromkeys(result["parameters"].values()))
    typer.echo(
        f"{result['output']}: {metric} {before}{100 * result['after'][metric]:.2f}, parameters {sizes},"
        f" {result['training']['seconds']:.0f} s"
    )


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"
