"""Options as frozen objects, and one clear line where they are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from theseus_plugin.errors import UserError, did_you_mean

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Base of every configuration here: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def validate(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """`values` as an instance of `model`; `where` names their place in the error message.

    Raises:
        UserError: the first thing that is wrong, with its full path; for an unknown key the nearest valid one.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors()
        # a misspelt key that is required is both unknown and missing: the first tells more
        first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
        raise UserError(_one_line(model, first["loc"], first, where)) from None


def _one_line(model: type[BaseModel], location: tuple[int | str, ...], error: Any, where: str) -> str:
    # of a union's branches pydantic names the types too, such as constrained-int, which no recipe holds
    keys = [str(step) for step in location if isinstance(step, int) or step.isidentifier()]
    place = ".".join([where, *keys] if where else keys)
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}: {did_you_mean(str(location[-1]), _keys_at(model, location[:-1]))}"
    if error["type"] == "missing":
        return f"{place} is missing: set it in the recipe or with --set {place}=..."
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]} (given: {error['input']!r})"


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> set[str]:
    """Valid keys of the nested model that `location` leads to."""
    candidates: list[type[BaseModel]] = [model]
    for step in location:
        fields = [m.model_fields[step] for m in candidates if isinstance(step, str) and step in m.model_fields]
        if fields:
            candidates = [m for f in fields for m in _models_in(f.annotation)]
    return {name for m in candidates for name in m.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models_in(part)]


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as one mapping with `a.b` keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
