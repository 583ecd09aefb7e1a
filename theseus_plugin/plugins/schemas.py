"""What the JSON schema of a plugin's options tells, for hosts and for the search over options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theseus_plugin.plugins import registry

Schema = Mapping[str, Any]


def resolved(schema: Schema, part: Schema) -> Schema:
    """`part` of `schema`, or what it refers to in there, with what stands beside the reference."""
    if "$ref" not in part:
        return part
    place: Any = schema
    for key in part["$ref"].removeprefix("#/").split("/"):
        place = place[key]
    return {**resolved(schema, place), **{key: value for key, value in part.items() if key != "$ref"}}


def options(schema: Schema, part: Schema | None = None, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every option by its path, such as `training.seed`, with its part of the schema; sections and what is in them."""
    for name, given in (schema if part is None else part).get("properties", {}).items():
        option = resolved(schema, given)
        yield path + name, option
        yield from options(schema, option, f"{path}{name}.")


def worth_trying(schema: Schema) -> dict[str, list[Any]]:
    """Values that a plugin names as worth trying (`search`), by the option's path."""
    return {path: list(option["search"]) for path, option in options(schema) if "search" in option}


def resuming(section: Mapping[str, Any]) -> dict[str, Any]:
    """A method's section, told to go on from its last checkpoint where the method can.

    Raises:
        UserError: its plugin cannot be loaded.
    """
    schema = registry.schema("method", section["name"])
    if "training.resume" not in dict(options(schema)):
        return dict(section)
    return {**section, "training": {**section.get("training", {}), "resume": True}}
