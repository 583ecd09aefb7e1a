"""Text that is not ours (names of folders, labels, messages of libraries) shown so that it stays text.

A name may hold a line break, an escape sequence of terminals, brackets that rich takes for markup, or what Markdown
reads. Everything that people see passes here, and what shows how far a long job is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from theseus_plugin.launching.ranks import is_first_process

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"
"""Invisible, and part of how words are written in several scripts."""
_LONGEST = 2000
"""Characters of a message."""


def printable(text: str) -> str:
    """On one line, with an escape in the place of every character that a terminal would act on."""
    return "".join(character if _harmless(character) else _escape(character) for character in text)


def message(text: str) -> str:
    """A whole message on one line of bearable length."""
    line = printable(text.strip())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST * 3 // 4]} ... {line[-_LONGEST // 4 :]}"


def markdown(text: str) -> str:
    """Text that Markdown neither formats nor takes for the end of a cell."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", printable(" ".join(text.split())))


def code(text: str) -> str:
    """A span of code in Markdown, in a cell of a table too."""
    shown = printable(text).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def plain(text: Any) -> Text:
    """Lines for a table or a line of rich; brackets in them are no markup."""
    from rich.text import Text

    return Text("\n".join(map(printable, str(text).split("\n"))))


def plain_console(stderr: bool = False, shown: bool = True, file: IO[str] | None = None) -> Console:
    """A console that prints texts as they are, each on one line however long it is."""
    from rich.console import Console

    class Plain(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            objects = tuple(plain(printable(one)) if isinstance(one, str) else one for one in objects)
            super().print(*objects, **options)

    return Plain(file=file, stderr=stderr, quiet=not shown, highlight=False, soft_wrap=True)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error of `total` steps, with the time left; what it gives is called after each step. Of several
    processes the first one shows it.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = console.is_terminal and is_first_process()
    with Progress(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


def _harmless(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind not in _CONTROLS and (kind != "Cf" or character in _JOINERS)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
