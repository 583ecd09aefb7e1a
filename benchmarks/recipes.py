"""What do the recipes give? Runs them to the end, keeps their records, prints the figures.

    python -m benchmarks.recipes examples/mrpc.yaml examples/stsb.yaml   # fit and compress what is not there yet
    python -m benchmarks.recipes runs/demo/recipe.yaml                   # keep the records of a finished demo
    python -m benchmarks.recipes --check                                 # the committed figures against the target

A record is `benchmarks/results/recipes/<name>.json`: the `result.json` of predecessor and successor, and what `bench`
measured if there is a `bench.json` beside them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from theseus_plugin.metric_scale import scale

from benchmarks.recording import write_record
from theseus_plugin import api, load_recipe
from theseus_plugin.files import read_json

RESULTS = Path(__file__).parent / "results" / "recipes"
KEPT = 0.984
"""Share of the predecessor's score that the paper keeps at half the depth."""
FASTER = 1.9
"""Times as fast as the predecessor, at half the depth and the largest shape."""


def main() -> None:
    """Run what is asked for, then print everything that is recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="recipes to run, those of examples/ or of a demo")
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure falls short of its target")
    arguments = parser.parse_args()
    for path in map(Path, arguments.recipes):
        record(path, path.parent.name if path.stem == "recipe" else path.stem)
    records = {file.stem: read_json(file) for file in sorted(RESULTS.glob("*.json"))}
    print(markdown(records))  # noqa: T201
    short = [line for name, content in records.items() for line in falls_short(name, content)]
    for line in short:
        print(line)  # noqa: T201
    if arguments.check and (short or not records):
        sys.exit(1)


def record(path: Path, name: str) -> None:
    """Do what the recipe at `path` says and is not done yet, and write `results/recipes/<name>.json`."""
    recipe = load_recipe(path)
    predecessor, successor = recipe.path("predecessor"), recipe.path("successor")
    content = {"predecessor": _result(predecessor, lambda: api.fit(recipe))}
    content["successor"] = _result(successor, lambda: api.compress(recipe))
    measured = Path(successor).with_name("bench.json")
    if measured.exists():
        content["bench"] = read_json(measured)
    RESULTS.mkdir(exist_ok=True)
    write_record(RESULTS / f"{name}.json", content)


def rows(records: dict[str, Any]) -> list[list[str]]:
    """One row per record and metric."""
    result = []
    for name, content in records.items():
        before, after = content["successor"]["before"], content["successor"]["after"]
        seconds = ", ".join(f"{content[which]['training']['seconds']:.0f}" for which in ("predecessor", "successor"))
        for metric in after:
            shown = scale(content["successor"], metric)
            scores = [shown.text(before[metric]), shown.text(after[metric])]
            share = f"{100 * (shown.kept(before[metric], after[metric]) or 0):.1f} %"
            result.append([name, metric, *scores, share, _blocks(content), seconds, _speed(content)])
    return result


def markdown(records: dict[str, Any]) -> str:
    """The table as `docs/results.md` shows it."""
    lines = [
        "| recipe | metric | predecessor | successor | kept | blocks | seconds: fit, compress | ONNX, times as fast |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows(records)])


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
