"""Which room may import which. Imports inside of functions and for types count as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import theseus_plugin

HOME = Path(theseus_plugin.__file__).parent
LAYERS = """
    vocabulary errors contract cores quiet metric_scale
    finite launching options provenance
    console writing predict
    files
    plugins loading records
    formats
    checkpoint
    tasks surgery
    training onnx
    methods.frame methods.teaching fitting measure
    methods.* report recipe
    relations bert_attack tuning
    api
    demo hosts
    cli
    __main__
"""
"""From the ground up. A room, which is a folder or a file of the package, imports what lies below it: neither what lies
above, nor its neighbours on the same line. So no method imports another; `methods.*` are all of them."""
LEVELS = {room: level for level, line in enumerate(LAYERS.strip().splitlines()) for room in line.split()}
METHODS = LEVELS.pop("methods.*")
LEVELS |= {f"methods.{file.parent.name}": METHODS for file in HOME.glob("methods/*/method.py")}
APART = ("__init__", "template")
"""The names that the package offers, and the skeleton of a plugin, which is another distribution."""


def room_of(module: str) -> str | None:
    """The room that a module, named without the package, belongs to."""
    parts = module.split(".")
    return next((name for name in (".".join(parts[:2]), parts[0]) if name in LEVELS), None)


def imports(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports, in the longest form that may be meant, without the package."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "theseus_plugin":
            yield from (f"{node.module}.{alias.name}".partition(".")[2] for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.partition(".")[2] for a in node.names if a.name.startswith("theseus_plugin."))


def test_every_file_imports_what_lies_below_it() -> None:
    wrong, seen = [], set()
    for file in sorted(HOME.rglob("*.py")):
        module = ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")
        found = list(imports(file))
        if module.split(".")[0] in APART or (file.name == "__init__.py" and not found):
            continue
        room = room_of(module)
        if room is None:
            wrong.append(f"{module} is in no layer: give it a place in LAYERS")
            continue
        seen.add(room)
        for name in found:
            other = room_of(name) or "api"  # a name that the package itself offers
            if other != room and LEVELS[other] >= LEVELS[room]:
                wrong.append(f"{module} imports {name}: {other} does not lie below {room}")
    assert not wrong, "\n".join(wrong)
    assert seen == set(LEVELS)
