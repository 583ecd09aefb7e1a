"""The records beside models, `result.json` and `export.json`, where these are ours: other tools have files of such
names too, and files get damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json
from theseus_plugin.options.plain import shown
from theseus_plugin.vocabulary import is_precision

RESULT = "result.json"
EXPORT = "export.json"


@dataclass(frozen=True)
class OwnFormat:
    """What its record says of a folder that is no stock checkpoint."""

    method: str
    """Name of the method that reads it."""
    precision: str
    """What it computes in."""
    parameters: int
    """How many it has: not all that is stored need be one, nor each one be stored alone."""


def own_format(checkpoint: str | Path) -> OwnFormat | None:
    """The format of a folder that is no stock checkpoint; None where no record of ours says that it is none.

    Raises:
        UserError: the record is ours, and what it says of the format is damaged.
    """
    file = Path(checkpoint, RESULT)
    record, _ = _ours(file)
    told = None if record is None else record.get("format")
    if record is None or not isinstance(told, Mapping) or "method" not in told:
        return None
    method, precision = told["method"], told.get("precision")
    counts = record.get("parameters")
    parameters = counts.get("after") if isinstance(counts, Mapping) else None
    if not isinstance(method, str) or not method or not is_precision(precision):
        raise UserError(f"{file}: its format is {shown(told)}, no method and precision: copy the folder again")
    if not isinstance(parameters, int) or isinstance(parameters, bool) or parameters < 0:
        raise UserError(f"{file}: its parameters are {shown(counts)}, no number after: copy the folder again")
    return OwnFormat(method, str(precision), parameters)


def trained_by(checkpoint: str | Path) -> dict[str, Any] | None:
    """The recipe in the record of a checkpoint that we wrote; None if there is no such record."""
    file = Path(checkpoint, RESULT)
    record, _ = _ours(file)
    return None if record is None else _recipe(record, file)


def task_section(folders: Sequence[Path]) -> dict[str, Any]:
    """The section `task` of the first of some folders of models whose record tells it.

    Raises:
        UserError: none does; what stands in the way is told.
    """
    problems = []
    for folder in folders:
        for file in (folder / RESULT, folder / EXPORT):
            record, problem = _ours(file)
            if record is not None:
                return dict(_recipe(record, file)["task"])
            problems += [problem] if problem else []
    raise UserError("; ".join([*problems, "no record there that names a task: give one with --task RECIPE"]))


def _ours(file: Path) -> tuple[dict[str, Any] | None, str | None]:
    """A record that says what was run, with a `task` that has a name; or why there is none, but for absence."""
    if not file.is_file():
        return None, None
    try:
        record = read_json(file)
    except UserError as error:
        return None, str(error)
    recipe = _recipe(record, file) if isinstance(record, dict) else None
    task = recipe.get("task") if isinstance(recipe, dict) else None
    if not isinstance(task, dict) or not isinstance(task.get("name"), str):
        return None, f"{file} is no record of theseus-plugin"
    return record, None


def _recipe(record: Mapping[str, Any], file: Path) -> Any:
    """Where a record says what was run: that of an export is it."""
    return record.get("recipe") if file.name == RESULT else record
