"""Is a successor as robust as its predecessor, and how fast is the attack.

    python -m benchmarks attack            # train what is attacked, attack it; about two hours on 2 cores
    python -m benchmarks attack --speed    # against TextAttack, on a machine that does nothing else; half an hour
    python -m benchmarks attack --check    # what is committed beside what it should reach

500 validation examples of the film reviews and of SST-2; predecessor, `theseus` successor, that one in 8 bits, `kd`
successor of the same size; and a `theseus` successor that was compressed with what misled its predecessor. What has a
record is not done again. Records: `benchmarks/results/attack.jsonl`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import suite
from benchmarks.attack import augmentation, speed
from benchmarks.attack.models import TASKS_ATTACKED, AttackedTask, attacked, masked_lm, perplexity
from benchmarks.glue.tasks import MODEL
from benchmarks.records import Records
from benchmarks.targets import Target
from theseus_plugin import api
from theseus_plugin.bert_attack.report import ROWS, cell
from theseus_plugin.recipe import load_recipe
from theseus_plugin.report.markdown import markdown_table

RECORDS = Records("attack")
SAMPLES = 500


def main() -> None:
    """Run what has no record, then print what is recorded."""
    options = suite.parser("attack", __doc__, speed="measure the speed, which needs all cores")
    suite.answer(options, measure, lambda: [RECORDS], tell)


def measure(arguments: Namespace) -> None:
    """The speed, or all else that has no record."""
    if arguments.speed:
        RECORDS.put("speed", speed.measure())
    else:
        RECORDS.fill(ATTACKED)


def tell() -> bool:
    """Print what is recorded, and say whether every target is reached."""
    records = {name: RECORDS[name] for name in (*ATTACKED, "speed") if name in RECORDS}
    for name, record in records.items():
        print(f"## {name}\n\n{speed.table(record) if name == 'speed' else table(record)}\n")  # noqa: T201
    lines = [line for name, record in records.items() for line in _targets(name, record)]
    for line in lines:
        print(line.text)  # noqa: T201
    return bool(lines) and all(line.reached for line in lines)


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


ATTACKED: dict[str, Callable[[], dict[str, Any]]] = {
    **{name: partial(robustness, task) for name, task in TASKS_ATTACKED.items()},
    "augmentation": augmented,
}


def _attack(task: AttackedTask, models: Mapping[str, Path]) -> dict[str, Any]:
    encoder = str(load_recipe({"model": MODEL}).model)
    options: dict[str, Any] = {"mlm": str(masked_lm(task)), "samples": SAMPLES, "sentence_encoder": encoder}
    record = api.attack([str(folder) for folder in models.values()], {"task": dict(task.section())}, **options)
    return {**record, "names": list(models)}


def table(record: Mapping[str, Any]) -> str:
    """What was measured, in Markdown, a row per model."""
    rows = [["model", *(heading for heading, _, _ in ROWS.values())]]
    for name, model in zip(record["names"], record["models"], strict=True):
        rows.append([name, *(cell(model["bert-attack"], column) for column in ROWS)])
    return markdown_table(rows)


def _targets(name: str, record: Mapping[str, Any]) -> Iterator[Target]:
    if name == "speed":
        yield from speed.targets(record)
    elif name in TASKS_ATTACKED:
        yield from targets(name, record)


def targets(name: str, record: Mapping[str, Any]) -> Iterator[Target]:
    """Whether the successor is as robust as its predecessor, as far as the intervals tell."""
    by_name = dict(zip(record["names"], (model["bert-attack"] for model in record["models"]), strict=True))
    metric = "attacked_accuracy"
    before = by_name["predecessor"]["intervals"][metric]
    for successor in ("theseus", "theseus-int8"):
        after = by_name[successor]["intervals"][metric]
        value = f"{cell(by_name[successor], metric)}, predecessor {cell(by_name['predecessor'], metric)}"
        yield Target(
            f"{name}: accuracy of {successor} under attack",
            value,
            "not clearly below the predecessor's",
            after[1] >= before[0],
        )


if __name__ == "__main__":
    main()
