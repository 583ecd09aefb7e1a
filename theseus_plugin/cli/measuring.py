"""Commands that make and measure what is deployed: export, bench, attack, and the demo of it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import click

from theseus_plugin.cli.options import as_json_option, runs_models, set_option, task_option
from theseus_plugin.cli.printing import print_json, say, show_bench, show_models
from theseus_plugin.metric_scale import scale
from theseus_plugin.vocabulary import ExportPrecision, GraphDevice


@click.command()
@click.argument("checkpoint")
@click.argument("output", metavar="OUT")
@task_option
@click.option(
    "--precision",
    type=click.Choice(get_args(ExportPrecision)),
    help="int8 for CPUs, with activation ranges found in each call or once; fp16 for GPUs.  [default: fp32]",
)
@click.option(
    "--max-drop", type=float, help="Points of the metric, or per cent of perplexity, that it may cost.  [default: 0.5]"
)
@click.option("--leave-out", multiple=True, metavar="NODE", help="A node to leave in fp32; may be repeated.")
@click.option(
    "--tolerance",
    type=float,
    help="Difference in logits that passes in fp32; of a regression as a share of their spread.  [default: 1e-4]",
)
@click.option("--examples", type=int, help="Examples to compare logits on.  [default: 64]")
@click.option(
    "--device", type=click.Choice(get_args(GraphDevice)), help="What to arrange the graph for.  [default: cpu]"
)
@click.option("--opset", type=int, help="Version of the ONNX operators.  [default: 17]")
@as_json_option
def export(checkpoint: str, output: str, task: str | None, as_json: bool, **options: Any) -> None:
    """Export CHECKPOINT to the ONNX folder OUT, fused, and checked against it on real examples."""
    from theseus_plugin import api

    given = {name: value for name, value in options.items() if value not in (None, ())}
    record = api.export(checkpoint, output, task, **given)
    if as_json:
        print_json(record)
        return
    agreed = record["parity"]
    line = f"{output}: largest difference in logits {agreed['largest_difference']:.1e} on {agreed['examples']} examples"
    if gate := record["stages"][-1].get("gate"):
        spared = f", {len(gate['left_out'])} nodes left in fp32" if gate["left_out"] else ""
        shown = scale(gate, gate["metric"])
        line += f", {shown.name} {shown.text(gate['before'])} -> {shown.text(gate['after'])}{spared}"
    say(line)


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@task_option
@click.option("--evaluator", "names", multiple=True, metavar="NAME", help="Only this; may be repeated.")
@set_option("An option, as latency.rounds=30.")
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
    from theseus_plugin.measure.models import split_name
    from theseus_plugin.recipe import override
    from theseus_plugin.writing.outputs import refuse_file

    if report is not None:
        records = options["records"]
        refuse_file(report, [*(split_name(model)[0] for model in models), *([records] if records is not None else [])])
    evaluators = override({name: {} for name in names or api.EVALUATORS}, overrides)
    show_bench(api.bench(models, task, evaluators, **options), report, as_json)


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--mlm", required=True, metavar="CHECKPOINT", help="Masked language model that proposes words.")
@task_option
@click.option("--samples", type=int, help="Validation examples to attack.  [default: 500]")
@click.option("--output", metavar="FOLDER", help="Write every attacked example, and a page that shows them.")
@set_option("Any option, as max_changed=0.2.")
@runs_models
@as_json_option
def attack(models: Sequence[str], task: str | None, overrides: Sequence[str], as_json: bool, **options: Any) -> None:
    """Attack text classifiers with BERT-ATTACK: how many examples are misled, by changing how many words.

    MODEL is a checkpoint, an ONNX folder or file.
    """
    from theseus_plugin import api
    from theseus_plugin.bert_attack.report import table
    from theseus_plugin.recipe import override

    given = {name: value for name, value in options.items() if value is not None}
    record = api.attack(models, task, **override(given, overrides))
    show_models(record, table, "examples", given.get("output"), as_json)


@click.command()
@click.option("--folder", default="runs/demo", show_default=True, help="Where everything goes.")
@click.option("--quick", is_flag=True, help="A fraction of the training: see it work in minutes.")
@as_json_option
def demo(folder: str, quick: bool, as_json: bool) -> None:
    """Run the whole job on the embedded model and data; finished steps are not done twice."""
    from theseus_plugin.demo import run

    record, report = run(folder, quick)
    show_bench(record, report, as_json)
