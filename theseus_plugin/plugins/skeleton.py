"""A distribution to start from, with one plugin and its tests.

`template/` is a whole distribution with a plugin of each kind, also to be found as `examples/plugin`. A skeleton is the
part of it that one kind needs, under other names.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path
from typing import get_args

from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder
from theseus_plugin.plugins import registry

TEMPLATE = Path(__file__).parents[1] / "template"
DISTRIBUTION = "acme-compression"
PLUGINS: dict[registry.Kind, str] = {
    "method": "every-other",
    "fitter": "linear-probe",
    "task": "held-out",
    "evaluator": "flop-count",
    "schedule": "step-wise",
}
"""Names of the template's plugins; in no other sense do these words stand in its files."""


def write_skeleton(name: str, kind: registry.Kind, folder: str | Path) -> list[str]:
    """Write a distribution called `name` with a plugin called `name`; gives its files, relative to `folder`.

    Raises:
        UserError: a name that cannot be that of a distribution, a package and a plugin, or `folder` exists.
    """
    _refuse_name(name, kind)
    files = {_renamed(file, name, kind): text for file, text in _parts(kind).items()}
    with complete_folder(folder) as partial:
        for file, text in files.items():
            (partial / file).parent.mkdir(exist_ok=True)
            (partial / file).write_text(_renamed(text, name, kind), encoding="utf-8")
    return list(files)


def _parts(kind: registry.Kind) -> dict[str, str]:
    """The template's files for one kind."""
    package = _package(DISTRIBUTION)
    names = ("pyproject.toml", "README.md", f"{package}/__init__.py", f"{package}/{kind}.py")
    files = {
        name: (TEMPLATE / name).read_text(encoding="utf-8")
        for name in (*names, "tests/conftest.py", f"tests/test_{kind}.py")
    }
    others = [other for other in get_args(registry.Kind) if other != kind]
    files["README.md"] = _without(files["README.md"], "\n", [f"| {other} |" for other in others])
    groups = [f'[project.entry-points."{registry.GROUPS[other]}"]' for other in others]
    files["pyproject.toml"] = _without(files["pyproject.toml"], "\n\n", groups)
    return files


def _without(text: str, separator: str, beginnings: list[str]) -> str:
    """A text without the lines, or the paragraphs, that begin so."""
    return separator.join(part for part in text.split(separator) if not part.startswith(tuple(beginnings)))


def _renamed(text: str, name: str, kind: registry.Kind) -> str:
    new_names = {DISTRIBUTION: name, _package(DISTRIBUTION): _package(name), PLUGINS[kind]: name}
    for ending in ("Config", kind.capitalize()):
        # `my-task` is to be MyTask; the ending keeps it from the names of what the template imports
        new_names[_class(PLUGINS[kind]) + ending] = _class(name.removesuffix(f"-{kind}")) + ending
    # in one pass: a new name may hold an old one
    return re.sub("|".join(map(re.escape, new_names)), lambda found: new_names[found[0]], text)


def _package(name: str) -> str:
    return name.replace("-", "_")


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _refuse_name(name: str, kind: registry.Kind) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(
            f"{name!r} cannot name a distribution and its package: use lower-case letters and digits, with single"
            " dashes between words, as in my-method"
        )
    package = _package(name)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package == "tests":
        raise UserError(f"{name!r} means something to Python itself or to its tools: choose another name")
    if name in registry.names(kind):
        origin = next(row.distribution for row in registry.listing() if (row.kind, row.name) == (kind, name))
        raise UserError(f"{kind} {name!r} is registered by {origin!r} already: choose another name")
    if importlib.util.find_spec(package) is not None:
        raise UserError(f"a package {package!r} is installed already: choose another name")
