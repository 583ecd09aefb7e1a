"""What it buys to compress with the attack's own finds: attack training examples, and train on what misled too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.attack.models import TASKS_ATTACKED, compressed, masked_lm
from theseus_plugin import api

TASK = TASKS_ATTACKED["reviews"]
EXAMPLES = 2000
"""Of the training examples, that are attacked."""
SEED = 1


def models() -> dict[str, Path]:
    """The successor as it is compressed without finds, and the one with them; made if they are not there."""
    section = {**TASK.section(), "train": str(_augmented())}
    return {"theseus": TASK.home / "theseus", "theseus, augmented": compressed(TASK, "theseus-augmented", section)}


def added() -> int:
    """How many texts were added."""
    return len(_lines(_augmented())) - len(_lines(Path(TASK.section()["train"])))


def _augmented() -> Path:
    """The training examples, and after them every text that misled the predecessor, with the label it had before."""
    file, attacks = TASK.home / "augmented.jsonl", TASK.home / "attacks"
    if not file.exists():
        section = dict(TASK.section())
        if not attacks.exists():
            recipe = {"task": {**section, "validation": section["train"]}}
            options: dict[str, Any] = {"mlm": str(masked_lm(TASK)), "samples": EXAMPLES, "seed": SEED}
            api.attack([str(TASK.home / "predecessor")], recipe, output=str(attacks), **options)
        attacked = [json.loads(line) for one in attacks.glob("*.jsonl") for line in _lines(one)]
        misled = [one for one in attacked if one["status"] == "success"]
        more = [json.dumps({"text": one["changed"], "label": one["label"]}) for one in misled]
        file.write_text("\n".join([*_lines(Path(section["train"])), *more]) + "\n", encoding="utf-8")
    return file


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
