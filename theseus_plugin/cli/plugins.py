"""Commands about plugins: the list of them, a new one, Olive's configuration."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from theseus_plugin.cli.options import as_json_option
from theseus_plugin.cli.printing import print_json, say


@click.command()
@as_json_option
@click.option("--check", is_flag=True, help="Load each plugin and say what is wrong with it.")
def plugins(as_json: bool, check: bool) -> None:
    """List what is installed, from which distribution, broken ones included."""
    from theseus_plugin.plugins import registry

    rows = registry.listing(check)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        for row in rows:
            origin = f"{row.distribution} {row.version}"
            state = f"BROKEN: {row.problem}" if row.problem else "ok"
            say(f"{row.kind:<10} {row.name:<22} {origin:<24} {state}")
    if any(row.problem for row in rows):
        sys.exit(1)


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["method", "fitter", "task", "evaluator", "schedule"]),
    default="method",
    show_default=True,
    help="What the plugin is.",
)
@click.option("--folder", help="Where to write it.  [default: a folder NAME here]")
@as_json_option
def new_plugin(name: str, kind: Any, folder: str | None, as_json: bool) -> None:
    """Write a distribution with a plugin called NAME that works, and its tests, to start from."""
    from theseus_plugin.plugins.skeleton import write_skeleton

    folder = name if folder is None else folder
    files = write_skeleton(name, kind, folder)
    if as_json:
        print_json({"name": name, "kind": kind, "folder": folder, "files": files})
    else:
        say(f"{folder}: {kind} {name!r}; next: pip install -e '{folder}[test]' && pytest {folder}")


@click.command()
@click.argument("output", metavar="OUT.json")
@as_json_option
def olive_config(output: str, as_json: bool) -> None:
    """Write Microsoft Olive's package configuration with every method as a pass: for olive run --package-config."""
    from theseus_plugin.files import as_json as text_of
    from theseus_plugin.files import write_file
    from theseus_plugin.writing.outputs import refuse_file

    refuse_file(output)
    from theseus_plugin.hosts import olive

    content = olive.package_config()
    names = [olive.GENERIC, *olive.passes()]
    write_file(output, text_of(content))
    if as_json:
        print_json({"output": output, "passes": names})
    else:
        say(f"{output}: Olive's passes and {', '.join(names)}")
