"""What is attacked, and with what: trained once, with the project's own commands, on each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.glue.grid import METHODS
from benchmarks.glue.tasks import MODEL, TASKS
from benchmarks.suite import once
from theseus_plugin import api
from theseus_plugin.demo import _prepare
from theseus_plugin.files import read_json

HOME = Path("runs/attack")
Section = Mapping[str, Any]


@dataclass(frozen=True)
class AttackedTask:
    """A task whose models are attacked."""

    name: str
    section: Callable[[], Section]
    """The recipe's `task`; prepares what it names."""
    fit: Section
    training: Section
    """Of every successor, whatever the method."""

    @property
    def home(self) -> Path:
        """Where its models are."""
        return HOME / self.name

    def recipe(self, **more: Any) -> dict[str, Any]:
        """A recipe of the task; `more` says what is made."""
        return {"model": MODEL, "predecessor": str(self.home / "predecessor"), "task": dict(self.section()), **more}


def _reviews() -> Section:
    """The film reviews of the demo."""
    _prepare(HOME / "reviews" / "data", quick=False)
    folder = HOME / "reviews" / "data"
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "validation")}
    return {"name": "text-classification", "text": "text", "label": "label", **files}


TASKS_ATTACKED = {
    "reviews": AttackedTask("reviews", _reviews, {"epochs": 2}, {"max_steps": 700, "learning_rate": 2e-4}),
    "SST-2": AttackedTask("SST-2", TASKS["SST-2"].section, {"epochs": 2}, {"max_steps": 625, "learning_rate": 2e-4}),
}


def attacked(task: AttackedTask) -> dict[str, Path]:
    """The models by name, the predecessor first; made if they are not there."""
    home = task.home
    once(home / "predecessor", lambda: api.fit(task.recipe(fit={**task.fit, "resume": True})))
    for method in ("theseus", "kd"):
        compressed(task, method, task.section())
    eight = home / "theseus-int8"
    once(eight, lambda: api.export(str(home / "theseus"), str(eight), precision="int8-dynamic"))
    return {name: home / name for name in ("predecessor", "theseus", "theseus-int8", "kd")}


def compressed(task: AttackedTask, name: str, section: Section) -> Path:
    """A successor of half the blocks, by the method that its name begins with; made if it is not there."""
    folder = task.home / name
    options = {**METHODS[name.partition("-")[0]], "successor_blocks": 3, "training": {**task.training, "resume": True}}
    recipe = {**task.recipe(successor=str(folder), method=options), "task": dict(section)}
    once(folder, lambda: api.compress(recipe))
    return folder


def masked_lm(task: AttackedTask) -> Path:
    """A model that was trained for an epoch to tell hidden words of the task's own texts; made if it is not there."""
    section = task.section()
    masked = {"name": "masked-lm", **{key: section[key] for key in ("train", "validation", "text")}, "max_length": 64}
    fit = {"epochs": 1, "learning_rate": 3e-4, "eval_batch_size": 32, "resume": True}
    folder = task.home / "masked-lm"
    once(folder, lambda: api.fit({"model": MODEL, "predecessor": str(folder), "task": masked, "fit": fit}))
    return folder


def perplexity(task: AttackedTask) -> float:
    """Of the masked language model on the task's validation texts."""
    return float(read_json(masked_lm(task) / "result.json")["after"]["perplexity"])
