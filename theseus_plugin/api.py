"""The commands as functions: `from theseus_plugin import fit, compress, export, bench`.

Each takes what the command takes and returns the record that `--json` prints. Heavy imports wait for the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theseus_plugin import registry
from theseus_plugin.contract import Result, Task
from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json, refuse_existing
from theseus_plugin.recipe import Recipe, load_recipe
from theseus_plugin.validation import validate

RecipeLike = Recipe | str | Path | Mapping[str, Any]
"""A recipe, the path of one, or its content."""


def fit(recipe: RecipeLike) -> Result:
    """Fine-tune `model` into `predecessor`.

    Raises:
        UserError: anything wrong with the recipe, the data, the model or the disk.
    """
    recipe = _recipe(recipe)
    model, output, task = recipe.path("model"), recipe.path("predecessor"), recipe.create_task()
    refuse_existing(output)
    from theseus_plugin.training.fit import fit as run

    return run(model, output, task, recipe.fit)


def compress(recipe: RecipeLike) -> Result:
    """Compress `predecessor` into `successor` with the recipe's method.

    Raises:
        UserError: anything wrong with the recipe, the data, the predecessor or the disk.
    """
    recipe = _recipe(recipe)
    predecessor, successor = recipe.path("predecessor"), recipe.path("successor")
    task, method = recipe.create_task(), recipe.create_method()
    refuse_existing(successor)
    return method.compress(predecessor, successor, task)


def export(checkpoint: str, output: str, task: RecipeLike | None = None, **options: Any) -> dict[str, Any]:
    """Write `checkpoint` as a fused ONNX folder, checked against the checkpoint on the task's real examples.

    Args:
        checkpoint: folder of a fine-tuned model.
        output: folder to write.
        task: recipe that names the task; default: the one in the checkpoint's own `result.json`.
        options: fields of `theseus_plugin.onnx.config.ExportConfig`, such as `precision="int8-dynamic"`.

    Raises:
        UserError: anything wrong with the checkpoint, the task or an option, the export differs from the checkpoint,
            or its precision costs too much.
    """
    refuse_existing(output)
    from theseus_plugin.onnx.config import ExportConfig

    config, chosen = validate(ExportConfig, options, where=""), _task(task, checkpoint)
    from theseus_plugin.onnx.export import export as run

    return run(checkpoint, output, chosen, config)


def bench(
    models: Sequence[str],
    task: RecipeLike | None = None,
    evaluators: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Measure models: ONNX folders and checkpoints, the first one being what the others are compared with.

    Args:
        models: folders.
        task: recipe that names the task; default: the one the first model was trained with.
        evaluators: options by evaluator name; default: accuracy, latency and size with their defaults.

    Raises:
        UserError: anything wrong with a model or the task.
    """
    chosen = _task(task, *models)
    if evaluators is None:
        evaluators = {"accuracy": {}, "latency": {}, "size": {}}
    instances = [registry.create("evaluator", name, dict(o), where=name) for name, o in evaluators.items()]
    from theseus_plugin.measure.bench import bench as run

    return run(models, chosen, instances)


def _recipe(recipe: RecipeLike) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _task(task: RecipeLike | None, *models: str) -> Task:
    """The task named by the user, else the one that a model's record tells of."""
    if task is not None:
        return _recipe(task).create_task()
    for model in models:
        checkpoint, onnx = Path(model, "result.json"), Path(model, "export.json")
        if checkpoint.is_file():
            return load_recipe({"task": read_json(checkpoint)["recipe"]["task"]}).create_task()
        if onnx.is_file():
            return load_recipe({"task": read_json(onnx)["task"]}).create_task()
    raise UserError(f"{', '.join(models)}: no record there that names a task: give one with --task RECIPE")
