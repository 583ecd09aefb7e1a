"""What do the recipes give? Runs them to the end, keeps their records, prints a table.

    python -m benchmarks recipes examples/mrpc.yaml examples/stsb.yaml   # fit and compress what is not there yet
    python -m benchmarks recipes runs/demo/recipe.yaml                   # keep the records of a finished demo
    python -m benchmarks recipes --check                                 # what is committed against the target

A record in `benchmarks/results/recipes.jsonl` is the `result.json` of predecessor and successor, and what `bench`
measured if there is a `bench.json` beside them.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import suite
from benchmarks.records import Records
from theseus_plugin import api, load_recipe
from theseus_plugin.files import read_json
from theseus_plugin.metric_scale import scale
from theseus_plugin.report.markdown import markdown_table

RECORDS = Records("recipes")
KEPT = 0.984
"""Share of the predecessor's score that the paper keeps at half the depth."""
FASTER = 1.9
"""Times as fast as the predecessor, at half the depth and the largest shape."""


def main() -> None:
    """Run what is asked for, then print everything that is recorded."""
    options = suite.parser("recipes", __doc__)
    options.add_argument("recipes", nargs="*", type=Path, help="recipes to run, those of examples/ or of a demo")
    suite.answer(options, run, lambda: [RECORDS], tell)


def tell() -> bool:
    """Print the table and what falls short; say whether nothing does."""
    print(markdown(RECORDS))  # noqa: T201
    short = [line for name in _in_order(RECORDS) for line in falls_short(name, RECORDS[name])]
    for line in short:
        print(line)  # noqa: T201
    return bool(RECORDS) and not short


def run(arguments: Namespace) -> None:
    """The recipes that are asked for."""
    for path in arguments.recipes:
        record(path, path.parent.name if path.stem == "recipe" else path.stem)


def record(path: Path, name: str) -> None:
    """Do what the recipe at `path` says and is not done yet, and keep what came of it."""
    recipe = load_recipe(path)
    predecessor, successor = recipe.path("predecessor"), recipe.path("successor")
    content = {"predecessor": _result(predecessor, lambda: api.fit(recipe))}
    content["successor"] = _result(successor, lambda: api.compress(recipe))
    measured = Path(successor).with_name("bench.json")
    if measured.exists():
        content["bench"] = read_json(measured)
    RECORDS.put(name, content)


def rows(records: Mapping[str, Any]) -> list[list[str]]:
    """One row per record and metric."""
    result = []
    for name in _in_order(records):
        content = records[name]
        before, after = content["successor"]["before"], content["successor"]["after"]
        seconds = ", ".join(f"{content[which]['training']['seconds']:.0f}" for which in ("predecessor", "successor"))
        for metric in after:
            shown = scale(content["successor"], metric)
            scores = [shown.text(before[metric]), shown.text(after[metric])]
            share = f"{100 * (shown.kept(before[metric], after[metric]) or 0):.1f} %"
            result.append([name, metric, *scores, share, _blocks(content), seconds, _speed(content)])
    return result


def markdown(records: Mapping[str, Any]) -> str:
    """The table as `docs/results.md` shows it."""
    head = ["recipe", "metric", "predecessor", "successor", "kept", "blocks", "seconds: fit, compress"]
    return markdown_table([[*head, "ONNX, times as fast"], *rows(records)], numbers=False)


def falls_short(name: str, content: dict[str, Any]) -> list[str]:
    """What of a record does not reach its target, in words; the score is the metric that chose the checkpoint."""
    metric = content["successor"]["metric"]
    before, after = content["successor"]["before"][metric], content["successor"]["after"][metric]
    kept = scale(content["successor"], metric).kept(before, after) or 0
    lines = [] if kept >= KEPT else [f"{name}: keeps {100 * kept:.1f} % of {metric}, the target is {100 * KEPT} %"]
    for shape, ratio in _ratios(content, 1).items():
        if shape == "32x64" and ratio < FASTER:
            lines.append(f"{name}: {ratio:.2f} times as fast at {shape}, the target is {FASTER}")
    return lines


def _in_order(records: Mapping[str, Any]) -> list[str]:
    """Variants of a recipe, such as `mrpc-8-epochs`, before the recipe itself."""
    return sorted(records, key=lambda name: f"{name}.")


def _result(folder: str, run: Callable[[], Any]) -> Any:
    finished = Path(folder) / "result.json"
    return read_json(finished) if finished.exists() else run()


def _blocks(content: dict[str, Any]) -> str:
    partition = content["successor"]["training"]["partition"]
    if isinstance(partition, list):  # a record of when every module had one successor block
        partition = {"blocks": [[run, 1] for run in partition]}
    pairs = [pair for modules in partition.values() for pair in modules]
    return " -> ".join(str(sum(counts)) for counts in zip(*pairs, strict=True))


def _ratios(content: dict[str, Any], at: int) -> dict[str, float]:
    if "bench" not in content or len(content["bench"]["models"]) <= at:
        return {}
    shapes = content["bench"]["models"][at]["latency"]["shapes"]
    return {shape: timed["times_as_fast"]["median"] for shape, timed in shapes.items()}


def _speed(content: dict[str, Any]) -> str:
    """The successor's export, and its int8 export, against the predecessor's, where they were measured."""
    fp32, int8 = _ratios(content, 1), _ratios(content, 2)
    eight = {shape: f", int8 {ratio:.2f}x" for shape, ratio in int8.items()}
    return ", ".join(f"{ratio:.2f}x{eight.get(shape, '')} at {shape}" for shape, ratio in fp32.items()) or "-"


if __name__ == "__main__":
    main()
