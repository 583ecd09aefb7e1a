"""Standard output that remembers why it took no more."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import Any, ClassVar

from theseus_plugin.errors import UserError


class _Output(io.FileIO):
    """Notes what the system has against a write: those that print report it in their own ways, or not at all."""

    refused: ClassVar[OSError | None] = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _Output.refused = error
            raise


def open_streams() -> None:
    """Make standard output note its troubles, and put something in the place of streams that were closed.

    The next file that is opened would become one of them. What is printed to a closed standard output is missed, and
    to a closed standard error it is not.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        before = sys.stdout
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(1, "w", closefd=False)),
            encoding=before.encoding if before else "utf-8",
            errors="backslashreplace",  # names hold what the terminal's encoding does not
            line_buffering=before.line_buffering if isinstance(before, io.TextIOWrapper) else False,
        )


def lost_output() -> tuple[str, int] | None:
    """The line and status where standard output took no more; no line for a pipe that its reader closed; else None."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    trouble = _Output.refused
    if trouble is None:
        return None
    _Output.refused = None
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes it once more at the end
    if isinstance(trouble, BrokenPipeError):
        return "", 128 + signal.SIGPIPE
    return f"standard output cannot be written ({trouble.strerror}): send it elsewhere", UserError.status
