"""How a command ends: what the user can mend, and what the system did to it, become one line and an exit status."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from theseus_plugin.errors import UserError, status_of
from theseus_plugin.writing.disk import disk_trouble


class Stopped(KeyboardInterrupt):
    """A signal other than that of Ctrl-C: what is being written is removed in the same way."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def told(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit status of what ended a command; None: a defect of ours, whose traceback is wanted."""
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, click.ClickException):
        return _misused(error), error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        number = getattr(error, "number", signal.SIGINT)
        return f"stopped by {signal.Signals(number).name}", 128 + number
    if getattr(error, "mendable", False):  # not UserError alone: a plugin that imports nothing of ours marks its own
        return str(error), status_of(error)
    if (refused := disk_trouble(error)) is not None:
        place = getattr(error, "filename", None)
        where = f"{os.fsdecode(place)}: " if isinstance(place, str | bytes) else ""
        return f"{where}{refused}: free space, or see to the permissions", UserError.status
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error):
        return "out of memory: take a smaller model, batch_size or max_length", UserError.status
    if isinstance(error, RecursionError):
        culprit = " ".join(getattr(error, "__notes__", ())) or "look for a file or a value nested so"
        return f"something is nested too deeply ({error}): {culprit}", UserError.status
    return None


def _misused(error: click.ClickException) -> str:
    """What the command line cannot be read as, with where its help is."""
    context = getattr(error, "ctx", None)
    hint = f"; see {context.command_path} --help" if context is not None else ""
    return " ".join(error.format_message().split()).rstrip(".") + hint


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the command as Ctrl-C does, and not at once with all left as it is.

    Where there are several processes they do: one that waits for another in a library would never hear of it.
    """
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    if not main or os.environ.get("WORLD_SIZE", "1") != "1":
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
