"""What commands print of records."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from theseus_plugin.console import printable
from theseus_plugin.launching.ranks import is_first_process
from theseus_plugin.metric_scale import scale

if TYPE_CHECKING:
    from rich.table import Table


def show_bench(record: dict[str, Any], report: str | None, as_json: bool) -> None:
    """What `bench` measured: as a table with what follows from it, and as a page where one is wanted; or as JSON."""
    from rich.console import Console

    from theseus_plugin.report.summary import summary_of, write_report
    from theseus_plugin.report.table import terminal_table

    if as_json and report is None:
        print_json(record)
        return
    summary = summary_of(record["models"])
    if report is not None:
        write_report(report, summary, "Benchmark", record["environment"])
    if as_json:
        print_json(record)
        return
    Console().print(terminal_table(summary.rows, summary.warnings))
    for line in summary.findings:
        say(line)
    if summary.recommendation:
        say(summary.recommendation, bold=True)
    if report is not None:
        say(f"report: {report}")


def show_models(
    record: dict[str, Any], table: Callable[[Sequence[Any]], Table], what: str, folder: str | None, as_json: bool
) -> None:
    """The models of a record as a table, and where the examples they were asked about are; or the record as JSON."""
    if as_json:
        print_json(record)
        return
    from rich.console import Console

    Console().print(table(record["models"]))
    if folder is not None:
        say(f"{what}: {folder}")


def print_result(result: Any, as_json: bool) -> None:
    """What a training run gave, in one line or as JSON; of the processes of a run the first one tells it."""
    if not is_first_process():
        return
    if as_json:
        print_json(result)
        return
    metric = result["metric"]
    shown = scale(result, metric)
    scores = " -> ".join(shown.text(found[metric]) for found in (result["before"], result["after"]) if found)
    sizes = " -> ".join(f"{n / 1e6:.1f}M" for n in dict.fromkeys(result["parameters"].values()))
    facts = [f"{metric} {scores}"] if scores else []
    facts += [f"parameters {sizes}"] if sizes else []
    # a method of somebody else's need not say how long it took
    facts += [f"{result['training']['seconds']:.0f} s"] if "seconds" in result["training"] else []
    say(f"{result['output']}: {', '.join(facts) or result['kind']}")


def say(line: str, bold: bool = False) -> None:
    """A line on standard output, whatever is in the names it holds."""
    click.secho(printable(line), bold=bold)


def print_json(value: Any) -> None:
    """A record on standard output."""
    click.echo(json.dumps(value, indent=2))
