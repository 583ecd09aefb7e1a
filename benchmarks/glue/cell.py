"""Run one cell and keep what it predicts: `python -m benchmarks.glue.cell '{"task": "MRPC", ...}' OUT.json`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.glue.grid import Cell
from benchmarks.glue.tasks import HOME, MODEL, TASKS, GlueTask
from benchmarks.recording import write_record
from theseus_plugin import api, load_recipe
from theseus_plugin.checkpoint import load_model
from theseus_plugin.contract import Task
from theseus_plugin.files import read_json
from theseus_plugin.onnx.predict import predict

DIGITS = 4
EVALUATIONS = 5
"""In each cell, of which the best one counts, as in the paper."""
KEPT = ("theseus", "kd", "truncation")
"""Methods whose first successors stay for the harness and the transfer; all others are 70 MB each."""


def fit_predecessor(task: GlueTask) -> dict[str, Any]:
    """Fine-tune the predecessor of a task, unless it is there, and say what it predicts and what is true."""
    recipe = load_recipe(
        {
            "model": MODEL,
            "predecessor": str(task.predecessor),
            "task": task.section(),
            "fit": {**task.fit, "resume": True},
        }
    )
    result = _result(task.predecessor) or api.fit(recipe)
    answers, labels = _answers(str(task.predecessor), recipe.create_task())
    return {**_kept(result), "answers": answers, "labels": labels}


def compress(cell: Cell) -> dict[str, Any]:
    """Train the successor of a cell, from its last checkpoint if it was interrupted, and say what it predicts."""
    task, folder = TASKS[cell.task], HOME / "cells" / cell.key
    training = {
        "learning_rate": cell.rate,
        "max_steps": task.steps,
        "eval_steps": -(-task.steps // EVALUATIONS),
        "seed": cell.seed,
        "resume": True,
    }
    recipe = load_recipe(
        {
            "predecessor": str(task.predecessor),
            "successor": str(folder),
            "task": task.section(),
            "method": {**cell.method, "training": training},
        }
    )
    result = _result(folder) or api.compress(recipe)
    answers, _ = _answers(str(folder), recipe.create_task())
    if cell.seed != 1 or cell.variant not in KEPT:
        shutil.rmtree(folder)
    return {"cell": vars(cell), **_kept(result), "answers": answers}


def _answers(folder: str, task: Task) -> tuple[str, str]:
    """Predicted and true classes of the validation examples, or numbers where the task is a regression, in one line."""
    data, model = task.load(folder, splits=("validation",)), load_model(folder, task.auto_class)

    def answer(batch: Mapping[str, np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            return model(**{name: torch.from_numpy(values) for name, values in batch.items()}).logits.numpy(), labels

    logits, labels = predict(answer, data.splits["validation"], data.collate)
    found = logits.argmax(axis=1) if logits.shape[1] > 1 else logits[:, 0]
    return _line(found), _line(labels)


def _line(values: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in np.round(values, DIGITS))


def _result(folder: Path) -> Any:
    return read_json(folder / "result.json") if folder.exists() else None


def _kept(result: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's record is committed."""
    names = ("metric", "after", "parameters", "recipe", "training", "environment")
    return {name: result[name] for name in names}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    record = fit_predecessor(TASKS[given["task"]]) if len(given) == 1 else compress(Cell(**given))
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    write_record(target, record)
