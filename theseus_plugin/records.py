"""The records beside models, `result.json` and `export.json`, where these are ours: other tools have files of such
names too, and files get damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json

RESULT = "result.json"
EXPORT = "export.json"


def trained_by(checkpoint: str | Path) -> dict[str, Any] | None:
    """The recipe in the record of a checkpoint that we wrote; None if there is no such record."""
    return _recipe(Path(checkpoint, RESULT))[0]


def task_section(folders: Sequence[Path]) -> dict[str, Any]:
    """The section `task` of the first of some folders of models whose record tells it.

    Raises:
        UserError: none does; what stands in the way is told.
    """
    problems = []
    for folder in folders:
        for file in (folder / RESULT, folder / EXPORT):
            recipe, problem = _recipe(file)
            if recipe is not None:
                return dict(recipe["task"])
            problems += [problem] if problem else []
    raise UserError("; ".join([*problems, "no record there that names a task: give one with --task RECIPE"]))


def _recipe(file: Path) -> tuple[dict[str, Any] | None, str | None]:
    """What a record says was run, with a `task` that has a name; or why there is none, if it is not just absent."""
    if not file.is_file():
        return None, None
    try:
        content = read_json(file)
    except UserError as error:
        return None, str(error)
    recipe = content.get("recipe") if isinstance(content, dict) and file.name == RESULT else content
    task = recipe.get("task") if isinstance(recipe, dict) else None
    if not isinstance(task, dict) or not isinstance(task.get("name"), str):
        return None, f"{file} is no record of theseus-plugin"
    return recipe, None
