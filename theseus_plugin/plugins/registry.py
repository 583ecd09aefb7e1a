"""Discovery of plugins through entry points: the only place that knows the group names.

Listing reads metadata and imports nothing. Loading imports one plugin; what goes wrong there is reported with
the name and the distribution, and touches no other plugin. `THESEUS_PLUGINS=a,b` restricts everything to those
names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Literal

from theseus_plugin.console import printable
from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.plugins.contract_check import breach_of_class, breach_of_verb, one_line
from theseus_plugin.plugins.distributions import origin, points_of, unreadable

Kind = Literal["method", "fitter", "task", "evaluator", "schedule"]
GROUPS: dict[Kind, str] = {
    "method": "model_compression.methods",
    "fitter": "model_compression.fitters",
    "task": "model_compression.tasks",
    "evaluator": "model_compression.evaluators",
    "schedule": "model_compression.schedules",
}
VERBS: dict[Kind, str] = {
    "method": "compress",
    "fitter": "fit",
    "task": "load",
    "evaluator": "evaluate",
    "schedule": "rate_at",
}


@dataclass(frozen=True)
class Listing:
    """One registered plugin, as its distribution's metadata tells."""

    kind: Kind
    name: str
    target: str
    distribution: str
    version: str
    problem: str | None
    """Why it cannot be used, as far as that is known; None if nothing is known against it."""


def listing(check: bool = False) -> list[Listing]:
    """All plugins, sorted by kind and name, and distributions that seem to have some but cannot be read.

    Without `check` nothing is imported: conflicting names and missing modules are found all the same.
    With `check` every plugin is loaded, one after the other, and what it raises is its `problem`.
    """
    rows = []
    for kind in GROUPS:
        points = _points(kind)
        for point in points:
            twins = [p for p in points if p.name == point.name]
            problem = _conflict(kind, twins) if len(twins) > 1 else _missing_module(point)
            if check and problem is None:
                problem = _load_problem(kind, point)
            rows.append(Listing(kind, printable(point.name), printable(point.value), *_origin(point), problem))
        rows += [Listing(kind, "?", "?", name, "?", problem) for name, problem in unreadable(GROUPS[kind])]
    return rows


def names(kind: Kind) -> list[str]:
    """Registered names of one kind, each once, sorted."""
    return sorted({point.name for point in _points(kind)})


def load(kind: Kind, name: str) -> type[Any]:
    """The class behind a name.

    Raises:
        UserError: no such plugin, two of that name, or one that cannot be imported or breaks the contract.
    """
    points = [point for point in _points(kind) if point.name == name]
    if not points:
        raise _absent(kind, name)
    if len(points) > 1:
        raise UserError(_conflict(kind, points))
    return _load(kind, points[0])


def schema(kind: Kind, name: str) -> dict[str, Any]:
    """The JSON schema of a plugin's options.

    Raises:
        UserError: as `load`, or its `Config` gives none.
    """
    config = load(kind, name).Config
    with _told(f"{described(kind, name)} gives no schema of its options"):
        return config.model_json_schema()  # type: ignore[no-any-return]


def create(kind: Kind, name: str, options: Mapping[str, Any], where: str) -> Any:
    """An instance of a plugin from a plain mapping of options; `where` names their place in error messages.

    Raises:
        UserError: as `load`, or options that its `Config` refuses.
    """
    from theseus_plugin.options.plain import plain
    from theseus_plugin.options.validation import validate

    plugin = load(kind, name)
    who = described(kind, name)
    with _told(f"{who} cannot read its options", or_mendable=True):
        try:
            config = validate(plugin.Config, options, where)
        except ValueError as error:
            raise UserError(f"{where}: {one_line(error)}") from None
    with _told(f"{who} cannot be made"):
        made = plugin(config)
    with _told(f"{who} cannot tell its options as JSON"):
        plain(config.model_dump(mode="json"))
    if breach := breach_of_verb(made, VERBS[kind]):
        raise UserError(f"{who} breaks the contract, {breach}: update or uninstall it")
    return made


def create_named(kind: Kind, section: Mapping[str, Any], where: str) -> Any:
    """An instance of the plugin that a section `{name: ..., ...}` names; `where` is the section's place in messages.

    Raises:
        UserError: as `create`, or the section names no plugin.
    """
    from theseus_plugin.options.plain import quoted, shown
    from theseus_plugin.options.validation import WrongOption

    known = f"choose one of {', '.join(map(printable, names(kind)))}"
    if not isinstance(section, Mapping):
        written = f"{{name: {shown(section)}}}" if isinstance(section, str) else "{name: ...}"
        raise WrongOption(where, lambda place: f"{place}: write a section, {written} (given: {quoted(section)})")
    if "name" not in section:
        raise WrongOption(f"{where}.name", lambda place: f"{place} is missing: {known}")
    name = section["name"]
    if not isinstance(name, str) or not name:
        raise WrongOption(f"{where}.name", lambda place: f"{place}: {quoted(name)} is no name: {known}")
    return create(kind, name, {key: value for key, value in section.items() if key != "name"}, where)


def described(kind: Kind, name: str) -> str:
    """A plugin and its distribution, for messages."""
    origins = [_origin(point)[0] for point in _points(kind) if point.name == name]
    return f"{kind} {printable(name)!r}" + (f" of distribution {origins[0]!r}" if origins else "")


def registered(module: str) -> list[tuple[Kind, EntryPoint]]:
    """The plugins of the package that a module belongs to, those of the module itself first."""
    package = module.partition(".")[0]
    found = [(kind, point) for kind in GROUPS for point in _points(kind) if _module(point) is not None]
    found = [(kind, point) for kind, point in found if point.module.partition(".")[0] == package]
    return sorted(found, key=lambda one: one[1].module != module)


def _points(kind: Kind) -> list[EntryPoint]:
    points = sorted(points_of(GROUPS[kind]), key=lambda p: (p.name, _origin(p)))
    allowed = os.environ.get("THESEUS_PLUGINS")
    if allowed is None:
        return points
    wanted = {word.strip() for word in allowed.split(",")}
    return [point for point in points if point.name in wanted]


def _origin(point: EntryPoint) -> tuple[str, str]:
    return origin(point.dist)


def _load(kind: Kind, point: EntryPoint) -> type[Any]:
    who = f"{kind} {printable(point.name)!r} of distribution {_origin(point)[0]!r}"
    with _told(f"{who} cannot be loaded"):
        if _module(point) is None:
            raise ValueError(f"{printable(point.value)!r} is not written as module:Class")
        with redirect_stdout(sys.stderr):  # standard output is for the command's own result
            plugin = point.load()
        breach = breach_of_class(plugin, point.name, VERBS[kind])
    if breach is not None:
        raise UserError(f"{who} breaks the contract, {breach}: update or uninstall it")
    return plugin  # type: ignore[no-any-return]


def _load_problem(kind: Kind, point: EntryPoint) -> str | None:
    try:
        _load(kind, point)
        schema(kind, point.name)
    except Exception as error:  # a mendable one of the plugin's own among them
        return one_line(error)
    return None


def _absent(kind: Kind, name: str) -> UserError:
    """Why there is no plugin of that name."""
    if any(point.name == name for point in points_of(GROUPS[kind])):
        allowed = printable(os.environ.get("THESEUS_PLUGINS", ""))
        return UserError(f"{kind} {printable(name)!r} is not among THESEUS_PLUGINS={allowed!r}: add it there")
    hints = [did_you_mean(name, map(printable, names(kind))), *(problem for _, problem in unreadable(GROUPS[kind]))]
    return UserError(f"no {kind} named {printable(name)!r} is installed: {'; '.join(hints)}")


def _conflict(kind: Kind, twins: Sequence[EntryPoint]) -> str:
    origins = " and ".join(sorted(repr(_origin(p)[0]) for p in twins))
    return f"{kind} {twins[0].name!r} is registered by {origins}: uninstall one of them"


def _module(point: EntryPoint) -> str | None:
    """The module that an entry point names; None if it is not written so."""
    return None if point.pattern.match(point.value) is None else point.module


def _missing_module(point: EntryPoint) -> str | None:
    """Look the module up without importing it or its packages."""
    module, path = _module(point), None
    if module is None or not all(part.isidentifier() for part in module.split(".")):
        return (
            f"{printable(point.value)!r} is not written as module:Class: reinstall or uninstall {_origin(point)[0]!r}"
        )
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = next((s for f in sys.meta_path if (s := f.find_spec(name, path))), None)
        if spec is None:
            return f"module {name!r} does not exist: reinstall or uninstall {_origin(point)[0]!r}"
        path = spec.submodule_search_locations or []
    return None


@contextmanager
def _told(what: str, or_mendable: bool = False) -> Iterator[None]:
    """A plugin's defect in one line that begins so, whatever it raises, even what would end this program.

    `or_mendable`: what the user can mend goes through as it is.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if or_mendable and getattr(error, "mendable", False):
            raise
        raise UserError(f"{what} ({type(error).__name__}: {one_line(error)}): update or uninstall it") from error
