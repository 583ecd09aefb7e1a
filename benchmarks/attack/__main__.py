"""Is a successor as robust as its predecessor, and how fast is the attack.

    python -m benchmarks.attack            # train what is attacked, attack it; about two hours on 2 cores
    python -m benchmarks.attack --speed    # against TextAttack, on a machine that does nothing else; half an hour
    python -m benchmarks.attack --check    # the committed figures beside what they should reach

500 validation examples of the film reviews and of SST-2; predecessor, `theseus` successor, that one in 8 bits, `kd`
successor of the same size; and a `theseus` successor that was compressed with what misled its predecessor. What has a
record is not done again. Records: `benchmarks/results/attack/`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from theseus_plugin.bert_attack.report import FIGURES, cell

from benchmarks.attack import augmentation, speed
from benchmarks.attack.models import TASKS_ATTACKED, AttackedTask, attacked, masked_lm, perplexity
from benchmarks.glue.page import markdown
from benchmarks.glue.tasks import MODEL
from benchmarks.recording import write_record
from benchmarks.targets import Figure
from theseus_plugin import api
from theseus_plugin.files import read_json
from theseus_plugin.recipe import load_recipe

RESULTS = Path(__file__).parents[1] / "results" / "attack"
SAMPLES = 500


def main() -> None:
    """Run what has no record, then print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true", help="measure the speed, which needs all cores")
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure falls short of its target")
    arguments = parser.parse_args()
    if arguments.speed:
        write_record(_file("speed"), speed.measure())
    elif not arguments.check:
        for name, make in SUITES.items():
            if not _file(name).exists():
                write_record(_file(name), make())
    records = {name: read_json(_file(name)) for name in (*SUITES, "speed") if _file(name).exists()}
    for name, record in records.items():
        print(f"## {name}\n\n{speed.table(record) if name == 'speed' else table(record)}\n")  # noqa: T201
    lines = [line for name, record in records.items() for line in _targets(name, record)]
    for line in lines:
        print(line.text)  # noqa: T201
    if arguments.check and not (lines and all(line.reached for line in lines)):
        sys.exit(1)


def robustness(task: AttackedTask) -> dict[str, Any]:
    """All models of a task under the same attack on the same examples."""
    models = attacked(task)
    return {**_attack(task, models), "masked_lm_perplexity": perplexity(task)}


def augmented() -> dict[str, Any]:
    """A successor that was compressed with what misled its predecessor, beside one that was not."""
    models = augmentation.models()
    return {
        **_attack(augmentation.TASK, models),
        "added": augmentation.added(),
        "training_examples_attacked": augmentation.EXAMPLES,
    }


SUITES: dict[str, Callable[[], dict[str, Any]]] = {
    **{name: partial(robustness, task) for name, task in TASKS_ATTACKED.items()},
    "augmentation": augmented,
}


def _attack(task: AttackedTask, models: Mapping[str, Path]) -> dict[str, Any]:
    encoder = str(load_recipe({"model": MODEL}).model)
    options: dict[str, Any] = {"mlm": str(masked_lm(task)), "samples": SAMPLES, "sentence_encoder": encoder}
    record = api.attack([str(folder) for folder in models.values()], {"task": dict(task.section())}, **options)
    return {**record, "names": list(models)}


def table(record: Mapping[str, Any]) -> str:
    """The figures in Markdown, a row per model."""
    rows = [["model", *(heading for heading, _, _ in FIGURES.values())]]
    for name, model in zip(record["names"], record["models"], strict=True):
        rows.append([name, *(cell(model["bert-attack"], figure) for figure in FIGURES)])
    return markdown(rows)


def _targets(name: str, record: Mapping[str, Any]) -> Iterator[Figure]:
    if name == "speed":
        yield from speed.targets(record)
    elif name in TASKS_ATTACKED:
        yield from targets(name, record)


def targets(name: str, record: Mapping[str, Any]) -> Iterator[Figure]:
    """Whether the successor is as robust as its predecessor, as far as the intervals tell."""
    by_name = dict(zip(record["names"], (model["bert-attack"] for model in record["models"]), strict=True))
    figure = "attacked_accuracy"
    before = by_name["predecessor"]["intervals"][figure]
    for successor in ("theseus", "theseus-int8"):
        after = by_name[successor]["intervals"][figure]
        value = f"{cell(by_name[successor], figure)}, predecessor {cell(by_name['predecessor'], figure)}"
        yield Figure(
            f"{name}: accuracy of {successor} under attack",
            value,
            "not clearly below the predecessor's",
            after[1] >= before[0],
        )


def _file(task: str) -> Path:
    return RESULTS / f"{task}.json"


if __name__ == "__main__":
    main()
