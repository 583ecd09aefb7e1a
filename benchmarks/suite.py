"""What the suites' commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.records import Records
from theseus_plugin.errors import UserError


def parser(suite: str, doc: str | None, **instead: str) -> argparse.ArgumentParser:
    """A suite's options, of which all have `--check` and `--write`.

    Args:
        suite: what it is called.
        doc: what it answers and how it is asked.
        instead: further flags by name, with their help, that say what is to be done instead of the suite itself.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks {suite}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="exit 1 where a target is missed; nothing is measured")
    what.add_argument("--write", action="store_true", help="collect what was measured into benchmarks/results/")
    for name, told in instead.items():
        what.add_argument(f"--{name}", action="store_true", help=told)
    return made


def answer(
    options: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace], None],
    records: Callable[[], Iterable[Records]],
    tell: Callable[[], bool],
) -> None:
    """Do what a command line asks for, then print what is recorded.

    Args:
        options: made by `parser`.
        measure: what has no record yet.
        records: those of the suite.
        tell: prints them, and gives whether every target is reached.
    """
    arguments = options.parse_args()
    with errors_in_words():
        if arguments.write:
            for part in records():
                part.collect()
        elif not arguments.check:
            measure(arguments)
        whole = tell()
    if arguments.check and not whole:
        sys.exit(1)


@contextmanager
def errors_in_words() -> Iterator[None]:
    """End with a line where a user can mend what went wrong."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


def once(folder: Path, make: Callable[[], Any]) -> None:
    """Make a folder, unless it is there."""
    if not folder.exists():
        make()
