"""The record of a search, from which it goes on after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json, write_json

RECORD = "tuning.json"
"""In the folder of the search: recipe, trials and the one that is running; in the successor's: the trials and the best
one's values."""


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a search, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / RECORD, record)
    except OSError as error:
        raise UserError(
            f"cannot write {folder / RECORD} ({error.strerror}): free space, or choose another successor"
        ) from None


def read_record(folder: Path) -> dict[str, Any]:
    """The record of an interrupted search.

    Raises:
        UserError: it is none, or the best successor that it speaks of is not there.
    """
    try:
        content = read_json(folder / RECORD)
    except UserError as error:
        raise UserError(f"{error}: remove the folder to start anew") from None
    trials = content.get("trials") if isinstance(content, dict) else None
    sound = isinstance(trials, list) and isinstance(content.get("running", 0), dict | type(None))
    if not sound or "recipe" not in content or not all(map(_is_trial, trials or [])):
        raise UserError(f"{folder / RECORD} is no record of a search: remove the folder to start anew")
    if any(trial["score"] is not None for trial in trials or []) and not (folder / "best" / "result.json").is_file():
        raise UserError(f"{folder} has lost its best successor: remove the folder to start anew")
    return dict(content)


def _is_trial(trial: Any) -> bool:
    numbers = (int, float)
    return (
        isinstance(trial, dict)
        and isinstance(trial.get("values"), dict)
        and isinstance(trial.get("metrics"), dict)
        and isinstance(trial.get("score"), (*numbers, type(None)))
        and isinstance(trial.get("seconds"), numbers)
        and "problem" in trial
    )
