"""What plugins do wrong while they work, told with the plugin's name and its distribution."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from traceback import walk_tb
from typing import Any

from theseus_plugin.contract import Evaluator, Plugin, Result
from theseus_plugin.errors import UserError, status_of
from theseus_plugin.launching.ranks import is_first_process
from theseus_plugin.plugins import registry

_MAPPINGS = ("before", "after", "parameters", "recipe", "training", "environment")
_PARTS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("kind", "model", "output", "metric"), (str, "text")),
    **dict.fromkeys(_MAPPINGS, (Mapping, "mapping")),
    "lower_is_better": (list, "list"),
}
"""What the values of the record of a method or a fitter are."""
_OURS = __name__.partition(".")[0]


@contextmanager
def plugins_named() -> Iterator[None]:
    """Within the block a plugin's defect names the plugin: as a last line after its traceback, or, where the plugin
    would have ended the program, as an error of its own. What a plugin raises as mendable becomes one line, with a
    status of failure.

    Raises:
        UserError: a plugin asked to exit, or raised something mendable whose message or status is none.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if getattr(error, "mendable", False):
            if (mistake := _as_mistake(error)) is error:
                raise
            raise mistake from error
        who = _culprit(error)
        if who is None:
            raise
        if not isinstance(error, Exception):
            said = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{who} ended the program ({said}) without saying what is wrong: tell its author"
            ) from error
        note = f"This is a defect of {who}: tell its author."
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def check_result(kind: registry.Kind, plugin: Plugin, record: Any, output: str) -> Result:
    """The record that a method or a fitter gave, if it is what the contract says and the folder it wrote is there.

    Raises:
        UserError: it is not.
    """
    breach = _breach_of_result(record)
    there = Path(output).is_dir()
    if breach is None and is_first_process() and not there:
        breach = f"there is no folder {output}"
    if breach is not None:
        kept = f"; what it wrote is in {output}" if there else ""
        who = registry.described(kind, plugin.name)
        raise UserError(f"{who} breaks the contract, {breach}: tell its author{kept}")
    return record  # type: ignore[no-any-return]


def check_measured(evaluator: Evaluator, records: Any, models: Sequence[str]) -> list[dict[str, Any]]:
    """The records that an evaluator gave, if they are what the contract says.

    Raises:
        UserError: they are not.
    """
    breach = None
    if not isinstance(records, list | tuple):
        breach = f"it gives {kind_of(records)}, no list of records"
    elif len(records) != len(models):
        breach = f"it gives {len(records)} records of {len(models)} models"
    elif strange := [record for record in records if not isinstance(record, Mapping)]:
        breach = f"one of its records is {kind_of(strange[0])}, no mapping"
    else:
        breach = _no_json(list(records))
    if breach is not None:
        raise UserError(
            f"{registry.described('evaluator', evaluator.name)} breaks the contract, {breach}: tell its author"
        )
    return list(records)


def _breach_of_result(record: Any) -> str | None:
    if not isinstance(record, Mapping):
        return f"its record is {kind_of(record)}, no mapping"
    if lacking := sorted(Result.__required_keys__ - record.keys()):
        return f"its record lacks {', '.join(lacking)}"
    for key, (kind, word) in _PARTS.items():
        if not isinstance(record[key], kind):
            return f"{key} of its record is {kind_of(record[key])}, no {word}"
    numbers = {
        **{f"before {name}": value for name, value in record["before"].items()},
        **{f"after {name}": value for name, value in record["after"].items()},
        **{f"parameters {name}": value for name, value in record["parameters"].items()},
        **{f"training {name}": value for name, value in record["training"].items() if name == "seconds"},
    }
    if not all(isinstance(metric, str) for metric in record["lower_is_better"]):
        return "lower_is_better of its record holds what is no text"
    for name, value in numbers.items():
        if not finite_number(value):
            return f"{name} of its record is {kind_of(value)}, no finite number"
        if value < 0 and name.startswith(("parameters", "training")):
            return f"{name} of its record is {value}: it cannot be below 0"
    if any(found and record["metric"] not in found for found in (record["before"], record["after"])):
        return f"its record has no figure of its metric {record['metric']!r}"
    return _no_json(record)


def _no_json(value: Any) -> str | None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"its record is not JSON ({error})"
    return None


def kind_of(value: Any) -> str:
    """What a value is that should be something else, for messages."""
    return str(value) if value is None or isinstance(value, float) else f"a value of type {type(value).__name__}"


def finite_number(value: Any) -> bool:
    """Whether a value is a number that can be reckoned with, of Python or NumPy."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what floats hold
        return False


def _as_mistake(error: BaseException) -> BaseException:
    """The error itself if its message is one line and its status one of failure, else what says the same so."""
    status, said = status_of(error), str(error)
    sound = status is getattr(error, "status", UserError.status)
    if sound and isinstance(error, Exception) and said.strip() and "\n" not in said and "\r" not in said:
        return error
    mistake = UserError(" ".join(said.split()) or f"{type(error).__name__}, raised by {_culprit(error) or 'a plugin'}")
    mistake.status = int(status)
    return mistake


def _culprit(error: BaseException) -> str | None:
    """The plugin whose code an error comes from, the innermost one; None: it comes from no plugin but our own."""
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != _OURS and (found := registry.registered(module)):
            # of several plugins in one module the one whose class the function is in
            inside = [one for one in found if frame.f_code.co_qualname.startswith(f"{one[1].attr}.")]
            kind, point = (inside or found)[0]
            return registry.described(kind, point.name)
    return None
