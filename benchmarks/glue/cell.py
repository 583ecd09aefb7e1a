"""Run one cell and keep what it predicts: `python -m benchmarks.glue.cell '{"task": "MRPC", ...}' OUT.json`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.glue.grid import Cell, keeps_model, source_of
from benchmarks.glue.runner import folder_of
from benchmarks.glue.scores import chosen_rate
from benchmarks.glue.tasks import HOME, MODEL, TASKS, GlueTask
from benchmarks.records import write_record
from theseus_plugin import api, load_recipe
from theseus_plugin.checkpoint import load_model, load_tokenizer
from theseus_plugin.contract import Task
from theseus_plugin.files import complete_folder, read_json
from theseus_plugin.finite import finite_rows
from theseus_plugin.measure.runtimes import TorchModel
from theseus_plugin.predict import predict
from theseus_plugin.surgery.plan import plan_stacks
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.successor import build_successor
from theseus_plugin.vocabulary import Batch

DIGITS = 4
PRECISION = "fp32"
"""Of all training, so that no score depends on which CPU a cell happened to run on."""
EVALUATIONS = 5
"""In each cell, of which the best one counts, as in the paper."""


def fit_predecessor(task: GlueTask) -> dict[str, Any]:
    """Fine-tune the predecessor of a task, unless it is there, and say what it predicts and what is true."""
    recipe = load_recipe(
        {
            "model": MODEL,
            "predecessor": str(task.predecessor),
            "task": task.section(),
            "fit": {**task.fit, "precision": PRECISION, "resume": True},
        }
    )
    result = _result(task.predecessor) or api.fit(recipe)
    answers, labels = _answers(str(task.predecessor), recipe.create_task())
    return {**_kept(result), "answers": answers, "labels": labels}


def run(cell: Cell) -> dict[str, Any]:
    """Train what a cell says, from its last checkpoint if it was interrupted, and say what it predicts."""
    task, folder = TASKS[cell.task], folder_of(cell)
    steps = cell.times * task.steps
    training = {
        "learning_rate": cell.rate,
        "max_steps": steps,
        "eval_steps": -(-steps // EVALUATIONS),
        "precision": PRECISION,
        "seed": cell.seed,
        "resume": True,
    }
    if cell.suite == "transfer":
        content = {"model": _source(cell), "predecessor": str(folder), "fit": training}
    else:
        method = {**cell.method, "training": {**cell.method.get("training", {}), **training}}
        content = {"predecessor": str(task.predecessor), "successor": str(folder), "method": method}
    recipe = load_recipe({**content, "task": task.section()})
    train = api.fit if cell.suite == "transfer" else api.compress
    result = _result(folder) or train(recipe)
    answers, _ = _answers(str(folder), recipe.create_task())
    if not keeps_model(cell):
        shutil.rmtree(folder)
    return {"cell": vars(cell), **_kept(result), "answers": answers}


def _source(cell: Cell) -> str:
    """What a transfer starts from: the first successor of the source task, or a cut of the pretrained encoder."""
    if cell.variant != "pretrained":
        return str(folder_of(source_of(cell.variant, chosen_rate)))
    folder = HOME / f"pretrained-{cell.blocks}"
    if not folder.exists():
        model = str(load_recipe({"model": MODEL}).model)
        encoder = load_model(model, "AutoModel")
        plans = plan_stacks(encoder, Shape(successor_blocks=cell.blocks, initialisation="first"))
        with complete_folder(folder) as partial:
            build_successor(encoder, [plan.cut for plan in plans]).save_pretrained(partial)
            load_tokenizer(model).save_pretrained(partial)
    return str(folder)


def _answers(folder: str, task: Task) -> tuple[str, str]:
    """Predicted and true classes of the validation examples, or numbers where the task is a regression, in one line."""
    data = task.load(folder, splits=("validation",))
    model = TorchModel(Path(folder), task.auto_class, threads=1, device="cpu", compiled=False)

    def answer(batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        logits = model.run(batch)
        return finite_rows(logits, batch), logits, labels

    logits, labels = predict(folder, answer, data.splits["validation"], data.collate)
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
    record = fit_predecessor(TASKS[given["task"]]) if len(given) == 1 else run(Cell(**given))
    write_record(Path(sys.argv[2]), record)
