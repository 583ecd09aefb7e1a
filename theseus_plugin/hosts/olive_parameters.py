"""A method's options as its JSON schema tells them, for hosts that want each as a parameter of a Python type."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, Literal

from theseus_plugin.plugins.schemas import Schema, resolved

_TYPES: dict[str, Any] = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


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
