"""Plain values: what JSON can hold, bounded, so that nothing that walks through them can be kept busy."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from datetime import date
from numbers import Integral, Real
from typing import Any

from theseus_plugin.errors import UserError

MOST_DEPTH = 64
"""Levels of nesting."""
MOST_VALUES = 100_000
"""Values of a document, aliases written out."""
MOST_DIGITS = 100


def plain(value: Any) -> Any:
    """A copy of nested values, of plain types: tuples become lists, paths texts, the numbers of NumPy those of Python.

    Raises:
        UserError: what JSON cannot hold, a key that is no text, or a value that is too large, too deep, or stands in
            itself; the message names its place.
    """
    return _copied(value, "", MOST_DEPTH, iter(range(MOST_VALUES)))


def shown(value: Any, width: int = 80) -> str:
    """A value for a message: in one line, and not too long."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # an integer of thousands of digits, or whatever an object's own `__repr__` raises
        text = f"a value of type {type(value).__name__}"
    text = "".join(character if character.isprintable() else " " for character in text[: width + 1])
    return text if len(text) <= width else text[: width - 3] + "..."


def quoted(value: Any) -> str:
    """A value for a message: `shown`, a text in quotes."""
    return repr(shown(value)) if isinstance(value, str) else shown(value)


def count(left: Iterator[int]) -> None:
    """One value more, of so many as are left.

    Raises:
        UserError: none is left.
    """
    if next(left, None) is None:
        raise UserError(f"more than {MOST_VALUES:,} values, aliases written out: too many for a recipe")


def _copied(value: Any, place: str, depth: int, left: Iterator[int]) -> Any:
    count(left)
    if depth == 0:
        raise UserError(f"{shown(place, 60)}: nested deeper than {MOST_DEPTH} levels, or it stands in itself")
    said = f"{shown(place)}: " if place else ""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UserError(f"{said}the key {shown(key)} is no text: put it in quotes")
        inside = {_text(key, said): f"{place}.{key}" if place else key for key in value}
        return {key: _copied(value[key], where, depth - 1, left) for key, where in inside.items()}
    if isinstance(value, list | tuple):
        return [_copied(item, f"{place}.{at}" if place else str(at), depth - 1, left) for at, item in enumerate(value)]
    return _scalar(value, said)


def _scalar(value: Any, said: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral | Real):
        return _number(value, said)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, date):  # what other readers of YAML make of a text such as 2024-01-31
        return str(value)
    if isinstance(value, str):
        return _text(value, said)
    kind = type(value).__name__
    raise UserError(f"{said}{shown(value)} is of type {kind}: give a text, a number, a list or a mapping")


def _number(value: Any, said: str) -> int | float:
    if not isinstance(value, Integral):
        if not math.isfinite(value):
            raise UserError(f"{said}{value} is no finite number")
        return float(value)
    if abs(int(value)) >= 10**MOST_DIGITS:
        raise UserError(f"{said}a number of more than {MOST_DIGITS} digits: too large")
    return int(value)


def _text(text: str, said: str) -> str:
    """Without what cannot be written to a file, a lone half of a character, or be in a path, a NUL."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(f"{said}{shown(text)!r} holds a null character or half a character: remove it")
    return str.__str__(text)
