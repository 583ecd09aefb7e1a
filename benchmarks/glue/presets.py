"""The presets: what `theseus-plugin tune` finds for the recipes of `examples/`, from the comparison's predecessors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.glue.runner import PRESETS, run_predecessors
from benchmarks.glue.tasks import HOME, TASKS
from theseus_plugin import api
from theseus_plugin.provenance import environment
from theseus_plugin.tuning.study import values_in_words

RECIPES = {"MRPC": Path("examples/mrpc.yaml"), "STS-B": Path("examples/stsb.yaml"), "SST-2": Path("examples/sst2.yaml")}
"""By task. The first trial is the recipe as it is when the search starts."""
TRIALS = 6


def search(tasks: Sequence[str], jobs: int) -> None:
    """Search the presets that have no record yet; what is interrupted goes on with the trial it was in."""
    missing = [task for task in RECIPES if task in tasks and task not in PRESETS]
    run_predecessors(missing, jobs)
    for task in missing:
        recipe, folder = RECIPES[task], HOME / "presets" / task
        folder.mkdir(parents=True, exist_ok=True)
        overrides = list(_overrides(task, folder))
        found = api.tune(recipe, overrides, output=folder / "recipe.yaml", trials=TRIALS, resume=True)
        PRESETS.put(task, {**found, "environment": environment()})


def table(tasks: Sequence[str]) -> list[list[str]]:
    """What was found, beside what the recipe gave before."""
    rows = [["preset", "metric", "as it was", "best trial", "all trials", "what was found"]]
    for task in tasks:
        if task in RECIPES:
            rows.append([f"[{RECIPES[task].name}](../{RECIPES[task]})", *_found(PRESETS[task])])
    return rows


def _overrides(task: str, folder: Path) -> Iterator[str]:
    """The predecessor and data of the comparison, in fp32 so that no score depends on the CPU."""
    section = TASKS[task].section()
    yield f"predecessor={TASKS[task].predecessor}"
    yield f"successor={folder / 'successor'}"
    yield from (f"task.{split}={section[split]}" for split in ("train", "validation"))
    yield "method.training.precision=fp32"


def _found(record: Mapping[str, Any]) -> list[str]:
    best, scores = record["best"], [100 * trial["score"] for trial in record["trials"] if trial["score"] is not None]
    spread = f"{len(scores)}: {min(scores):.2f} to {max(scores):.2f}"
    return [best["metric"], f"{scores[0]:.2f}", f"{100 * best['score']:.2f}", spread, values_in_words(best["values"])]
