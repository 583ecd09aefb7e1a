"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from theseus_plugin.launching import is_first_process


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
