"""A method's options as its JSON schema tells them, for hosts that want each as a parameter of a Python type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal

Schema = Mapping[str, Any]

_TYPES: dict[str, Any] = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def resolved(schema: Schema, part: Schema) -> Schema:
    """`part` of `schema`, or what it refers to in there, with what stands beside the reference."""
    if "$ref" not in part:
        return part
    place: Any = schema
    for key in part["$ref"].removeprefix("#/").split("/"):
        place = place[key]
    return {**resolved(schema, place), **{key: value for key, value in part.items() if key != "$ref"}}


def python_type(schema: Schema, part: Schema) -> Any:
    """The type of the values that `part` of `schema` allows, as far as a type says it; what is inside them is left to
    the method.
    """
    part = resolved(schema, part)
    if "const" in part:
        return Literal[part["const"]]
    if "enum" in part:
        return Literal[tuple(part["enum"])]
    if branches := part.get("anyOf") or part.get("oneOf"):
        return _union([python_type(schema, branch) for branch in branches])
    kinds = part.get("type", [])
    return _union([_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _union(types: list[Any]) -> Any:
    return Any if not types or Any in types else reduce(or_, types)
