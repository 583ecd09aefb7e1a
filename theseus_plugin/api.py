"""The commands as functions: `from theseus_plugin import fit, compress, export, bench`.

Each takes what the command takes and returns the record that `--json` prints. Heavy imports wait for the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theseus_plugin.contract import Evaluator, Result, Task
from theseus_plugin.errors import UserError
from theseus_plugin.files import refuse_existing
from theseus_plugin.options.plain import shown
from theseus_plugin.options.validation import validate
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.defects import check_result, plugins_named
from theseus_plugin.recipe import Recipe, load_recipe
from theseus_plugin.records import task_section
from theseus_plugin.writing.claims import claimed

EVALUATORS = ("accuracy", "latency", "size", "memory")
"""What `bench` measures unless it is told."""
RecipeLike = Recipe | str | Path | Mapping[str, Any]
"""A recipe, the path of one, or its content."""


@plugins_named()
def fit(recipe: RecipeLike) -> Result:
    """Train `model` into `predecessor` with the recipe's fitter, `plain` fine-tuning where it names none.

    Raises:
        UserError: anything wrong with the recipe, the data, the model or the disk, or a fitter whose record is not
            what the contract says.
    """
    recipe = _recipe(recipe)
    model, predecessor = recipe.path("model"), recipe.path("predecessor")
    task, fitter = recipe.create_task(), recipe.create_fitter()
    with claimed(predecessor):
        refuse_existing(predecessor)
        return check_result("fitter", fitter, fitter.fit(model, predecessor, task), predecessor)


@plugins_named()
def compress(recipe: RecipeLike) -> Result:
    """Compress `predecessor` into `successor` with the recipe's method.

    Raises:
        UserError: anything wrong with the recipe, the data, the predecessor or the disk, or a method whose record is
            not what the contract says.
    """
    recipe = _recipe(recipe)
    predecessor, successor = recipe.path("predecessor"), recipe.path("successor")
    task, method = recipe.create_task(), recipe.create_method()
    with claimed(successor):
        refuse_existing(successor)
        return check_result("method", method, method.compress(predecessor, successor, task), successor)


@plugins_named()
def tune(
    recipe: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    output: str | Path,
    trials: int = 20,
    minutes: float | None = None,
    search: Mapping[str, Sequence[Any]] | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Search the values of the method's options that are best on the task; compress with each of them.

    The first trial is the recipe as it is. The best one's successor becomes the recipe's `successor`.

    Args:
        recipe: the path of a recipe, or its content.
        overrides: `a.b=value`, as for `load_recipe`.
        output: where to write the recipe with the best values.
        trials: how many at most; fewer if there are not so many values.
        minutes: of training in all; no trial is started that would not fit, judged by the longest so far.
        search: values to try, by the path of an option of the method, such as `training.learning_rate`; these and
            what the method itself names as worth trying are searched.
        resume: go on with an interrupted search.

    Returns:
        `best` and `trials`, each with `values`, `metrics` and `seconds`; `space`; `recipe`; `output`.

    Raises:
        UserError: what `compress` raises in the first trial; an unknown option; Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UserError(f"tune needs Optuna ({error}): pip install 'theseus-plugin[tune]'") from None
    from theseus_plugin.tuning.study import tune as run

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return run(recipe, overrides, Path(output), trials, minutes, search or {}, resume, compress)


@plugins_named()
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
    with claimed(output):
        refuse_existing(output)
        from theseus_plugin.onnx.config import ExportConfig

        config, chosen = validate(ExportConfig, options, where=""), _task(task, checkpoint)
        from theseus_plugin.onnx.export import export as run

        return run(checkpoint, output, chosen, config)


@plugins_named()
def bench(
    models: Sequence[str],
    task: RecipeLike | None = None,
    evaluators: Mapping[str, Mapping[str, Any]] | None = None,
    records: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    force: bool | None = None,
) -> dict[str, Any]:
    """Measure models: ONNX folders and checkpoints, the first one being what the others are compared with.

    Args:
        models: folders, or files of models; a checkpoint's may end in `@compiled`.
        task: recipe that names the task; default: the one the first model was trained with.
        evaluators: options by evaluator name; default: accuracy, latency, size and memory with their defaults.
        records: JSON Lines file that the record is appended to, also if the measurement fails.
        device: `cpu`, `cuda` or `tensorrt`, for every evaluator that runs the models.
        threads: likewise.
        force: likewise; run also what the device has no fast kernels for.

    Raises:
        UserError: anything wrong with a model, the task or an option, or a file that cannot be written.
    """
    from theseus_plugin.measure.bench import bench as run
    from theseus_plugin.measure.bench import kept_in

    with kept_in(records, models) as kept:
        chosen = _task(task, *models)
        options = {name: {} for name in EVALUATORS} if evaluators is None else evaluators
        shared = {"device": device, "threads": threads, "force": force}
        instances = [_evaluator(name, given, shared) for name, given in options.items()]
        kept.append(run(models, chosen, instances))
    return kept[0]


def attack(models: Sequence[str], task: RecipeLike | None = None, **options: Any) -> dict[str, Any]:
    """Attack text classifiers with BERT-ATTACK: the evaluator `bert-attack` alone.

    Args:
        models: as for `bench`.
        task: as for `bench`.
        options: fields of `theseus_plugin.bert_attack.config.AttackConfig`; `mlm` must be given.

    Returns:
        As `bench`; the figures of a model are under `bert-attack`.

    Raises:
        UserError: as `bench`.
    """
    return bench(models, task, {"bert-attack": options})


def rank(models: Sequence[str], task: RecipeLike | None = None, **options: Any) -> dict[str, Any]:
    """Rank candidate facts by the paths between their entities: the evaluator `ranking` alone.

    Args:
        models: as for `bench`.
        task: as for `bench`; its task is `relations`.
        options: fields of `theseus_plugin.relations.config.RankingConfig`; `queries` must be given.

    Returns:
        As `bench`; the figures of a model are under `ranking`.

    Raises:
        UserError: as `bench`.
    """
    return bench(models, task, {"ranking": options})


@plugins_named()
def explain(model: str, fact: tuple[str, str, str], task: RecipeLike | None = None, **options: Any) -> dict[str, Any]:
    """What a model says of one fact, and the paths that it says so by, the strongest first.

    Args:
        model: a checkpoint, an ONNX folder or file that was trained on the task `relations`.
        fact: head, relation and tail, by their names or texts.
        task: as for `bench`.
        options: fields of `theseus_plugin.relations.config.Judging`.

    Returns:
        See `theseus_plugin.relations.explain.explain`.

    Raises:
        UserError: a path that is no model, another task, or an entity or relation that is not known.
    """
    from theseus_plugin.relations.config import Judging
    from theseus_plugin.relations.explain import explain as run

    return run(model, _task(task, model), fact, validate(Judging, options, where=""))


def _evaluator(name: str, options: Mapping[str, Any], shared: Mapping[str, Any]) -> Evaluator:
    """An evaluator with its own options, and those of the shared ones that were given and that it has."""
    if not isinstance(options, Mapping):
        raise UserError(f"{name}: input should be a section of keys and values (given: {shown(options)})")
    known = registry.schema("evaluator", name).get("properties", {})
    theirs = {key: value for key, value in shared.items() if value is not None and key in known}
    return registry.create("evaluator", name, {**theirs, **options}, where=name)  # type: ignore[no-any-return]


def _recipe(recipe: RecipeLike) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _task(task: RecipeLike | None, *models: str) -> Task:
    """The task named by the user, else the one that a model's record tells of."""
    if task is not None:
        return _recipe(task).create_task()
    for model in models:
        if not _folder(model).exists():
            raise UserError(f"{model}: no such file or folder: name a checkpoint or an ONNX model")
    try:
        return load_recipe({"task": task_section([_folder(model) for model in models])}).create_task()
    except UserError as error:
        raise UserError(f"{', '.join(models)}: {error}") from None


def _folder(model: str) -> Path:
    """Where the records of a model lie, whether its folder is named or its file, and however it is to be run."""
    from theseus_plugin.measure.models import split_name

    path = Path(split_name(model)[0])
    return path.parent if path.is_file() else path
