"""Options as frozen objects, and one clear line where they are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.options.plain import quoted, shown

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""How many of something that there must be one of at least."""
Natural = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""How many of something, perhaps none."""
MOST_STEPS = 10_000_000
"""Optimizer steps of a run: a schedule is asked for the rate of each of them beforehand."""
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
"""Optimizer steps."""
Processes = Annotated[int, Field(ge=1, le=1024)]
"""Processes or threads to start."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 2**16)]
"""NumPy's generator takes 32 bits, and each process of a run adds its number."""


def _distinct(values: list[T]) -> list[T]:
    for at, value in enumerate(values):
        if value in values[:at]:
            raise ValueError(f"{value!r} is there twice: remove one")
    return values


Distinct = AfterValidator(_distinct)
"""Of a list: each value once."""


class Options(BaseModel):
    """Base of every configuration here: frozen, an unknown key is an error, and a number is a finite number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic takes for a number although nobody means one."""
        types = set(_types_in(cls.model_fields[info.field_name or ""].annotation))
        if types & {int, float} and not types & {bool, Any}:
            for value in _leaves(given):
                if isinstance(value, bool):
                    raise ValueError("input should be a number, not true or false")
                if isinstance(value, int) and abs(value) >= 2**63:
                    raise ValueError("input should be a smaller number")
                if str not in types and isinstance(value, str) and re.match(r"[-+]?0\d", value):
                    raise ValueError("input should be a number that does not start with 0")
        return given


class WrongOption(UserError):
    """An option is wrong.

    Args:
        place: its path, empty for the options as a whole.
        say: what is wrong, the path given.
    """

    def __init__(self, place: str, say: Callable[[str], str]) -> None:
        super().__init__(say(place))
        self.place, self.say = place, say

    def within(self, where: str) -> WrongOption:
        """The same of options that stand at `where` in others."""
        return WrongOption(".".join(filter(None, (where, self.place))), self.say)


def validate(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """`values` as an instance of `model`; `where` names their place in the error message.

    Raises:
        UserError: the first thing that is wrong, with its full path; for an unknown key the nearest valid one.
    """
    try:
        return model.model_validate(values)
    except WrongOption as error:  # of a plugin that one of the options names
        raise error.within(where) from None
    except ValidationError as error:
        raise _first_wrong(model, error, values).within(where) from None


def _first_wrong(model: type[BaseModel], error: ValidationError, values: Any) -> WrongOption:
    found = [(_keys(one["loc"], one["type"], values), one) for one in error.errors(include_url=False)]
    # a misspelt key that is required is both unknown and missing: the first tells more
    unknown = [one for one in found if one[1]["type"] == "extra_forbidden"]
    # of a union each branch has an error: the one that came furthest tells most
    keys, wrong = (unknown or [max((one for one in found if one[0][:1] == found[0][0][:1]), key=_depth)])[0]
    place = shown(".".join(keys), 200)
    if wrong["type"] == "extra_forbidden":
        hint = did_you_mean(keys[-1], _keys_at(model, wrong["loc"][:-1]))
        return WrongOption(place, lambda place: f"unknown key {place!r}: {hint}")
    if wrong["type"] == "missing":
        return WrongOption(place, lambda place: f"{place} is missing: set it in the recipe or with --set {place}=...")
    message = " ".join(wrong["msg"].removeprefix("Value error, ").split())
    if wrong["type"] in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        message = "input should be a section of keys and values"
    said = f" (given: {quoted(wrong['input'])})" if keys else ""
    return WrongOption(place, lambda place: f"{place and place + ': '}{message[:1].lower()}{message[1:]}{said}")


def _depth(found: tuple[list[str], Any]) -> int:
    return len(found[0])


def _keys(location: Iterable[int | str], kind: str, values: Any) -> list[str]:
    """The keys that lead to an error. Of a union's branches pydantic names the types too, which no recipe holds."""
    keys, steps = [], list(location)
    for at, step in enumerate(steps):
        absent = kind in ("missing", "extra_forbidden") and at == len(steps) - 1
        if isinstance(values, Mapping) and step in values:
            values = values[step]
        elif isinstance(values, Sequence) and not isinstance(values, str) and isinstance(step, int):
            values = values[step] if step < len(values) else None
        elif not absent:
            continue
        keys.append(str(step))
    return keys


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> set[str]:
    """Valid keys of the nested model that `location` leads to."""
    candidates: list[type[BaseModel]] = [model]
    for step in location:
        fields = [m.model_fields[step] for m in candidates if isinstance(step, str) and step in m.model_fields]
        if fields:
            candidates = [m for f in fields for m in _models_in(f.annotation)]
    return {name for m in candidates for name in m.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    return [one for one in _types_in(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]


def _types_in(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, those of the values of a `Literal` and not those of keys."""
    parts = get_args(annotation)[1 if get_origin(annotation) is dict else 0 :]
    if not parts:
        yield annotation if isinstance(annotation, type) or annotation is Any else type(annotation)
    for part in parts:
        yield from _types_in(part)


def _leaves(value: Any) -> Iterator[Any]:
    """The values in nested lists and mappings."""
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as one mapping with `a.b` keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
