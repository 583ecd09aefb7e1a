"""Discovery of plugins through entry points: the only place that knows the group names.

Listing reads metadata and imports nothing. Loading imports one plugin; what goes wrong there is reported with
the name and the distribution, and touches no other plugin. `THESEUS_PLUGINS=a,b` restricts everything to those
names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from theseus_plugin.errors import UserError, did_you_mean

Kind = Literal["method", "task", "evaluator", "schedule"]

GROUPS: dict[Kind, str] = {
    "method": "model_compression.methods",
    "task": "model_compression.tasks",
    "evaluator": "model_compression.evaluators",
    "schedule": "model_compression.schedules",
}
VERBS: dict[Kind, str] = {"method": "compress", "task": "load", "evaluator": "evaluate", "schedule": "rate_at"}


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
    """All plugins, sorted by kind and name.

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
            rows.append(Listing(kind, point.name, point.value, *_origin(point), problem))
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
        raise UserError(f"no {kind} named {name!r} is installed: {did_you_mean(name, names(kind))}")
    if len(points) > 1:
        raise UserError(_conflict(kind, points))
    return _load(kind, points[0])


def create(kind: Kind, name: str, options: dict[str, Any], where: str) -> Any:
    """An instance of a plugin from a plain mapping of options; `where` names their place in error messages.

    Raises:
        UserError: as `load`, or options that its `Config` refuses.
    """
    from theseus_plugin.validation import validate

    plugin = load(kind, name)
    return plugin(validate(plugin.Config, options, where))


def _points(kind: Kind) -> list[EntryPoint]:
    points = sorted(entry_points(group=GROUPS[kind]), key=lambda p: (p.name, _origin(p)))
    allowed = os.environ.get("THESEUS_PLUGINS")
    if allowed is None:
        return points
    wanted = {word.strip() for word in allowed.split(",")}
    return [point for point in points if point.name in wanted]


def _origin(point: EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        return "unknown", "unknown"
    return point.dist.metadata["Name"], point.dist.version


def _load(kind: Kind, point: EntryPoint) -> type[Any]:
    who = f"{kind} {point.name!r} of distribution {_origin(point)[0]!r}"
    try:
        plugin = point.load()
    except Exception as error:
        raise UserError(f"{who} cannot be loaded ({type(error).__name__}: {error}): update or uninstall it") from error
    lacking = [a for a in ("name", "summary", "Config", VERBS[kind]) if not hasattr(plugin, a)]
    if lacking:
        raise UserError(f"{who} breaks the contract, it lacks {', '.join(lacking)}: update or uninstall it")
    if plugin.name != point.name:
        raise UserError(f"{who} breaks the contract, it calls itself {plugin.name!r}: update or uninstall it")
    return plugin  # type: ignore[no-any-return]


def _load_problem(kind: Kind, point: EntryPoint) -> str | None:
    try:
        _load(kind, point)
    except UserError as error:
        return str(error)
    return None


def _conflict(kind: Kind, twins: Sequence[EntryPoint]) -> str:
    origins = " and ".join(sorted(repr(_origin(p)[0]) for p in twins))
    return f"{kind} {twins[0].name!r} is registered by {origins}: uninstall one of them"


def _missing_module(point: EntryPoint) -> str | None:
    """Look the module up without importing it or its packages."""
    path: Sequence[str] | None = None
    parts = point.module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = next((s for f in sys.meta_path if (s := f.find_spec(name, path))), None)
        if spec is None:
            return f"module {name!r} does not exist: reinstall or uninstall {_origin(point)[0]!r}"
        path = spec.submodule_search_locations or []
    return None
