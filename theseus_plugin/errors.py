"""The one exception that is the user's to mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LISTED = 50
"""Words that a message lists at most."""
_POINTER = r"\babove (report|error|traceback)|\bsee the (docs|documentation)\b|^for (more )?(details|information)\b"
"""What libraries say to point elsewhere."""


class UserError(Exception):
    """A mistake or a condition outside the program: one line saying what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with `status`.

    Attributes:
        mendable: tells it from a defect, to a program that does not import this class.
        status: exit status of the command.
        first_process_only: whether every process of a run meets it, so that the first one's message is enough.
    """

    mendable = True
    status = 2
    first_process_only = True


class Interrupted(UserError):
    """A signal asked a run to stop; `status` is the shell's for that signal."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.status = 128 + signal


class ProcessLost(UserError):
    """Another process of the run is gone; it might have been the first."""

    first_process_only = False


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """End of an error message: the valid word nearest to `word`, or those there are, not all of a long list."""
    names = sorted(valid)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return "valid: " + (", ".join(names[:_LISTED]) or "none") + more


def some(items: list[str]) -> str:
    """The first three, and how many more there are."""
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def status_of(error: BaseException) -> int:
    """The exit status that an error asks for; that of `UserError` where it asks for none, or for none of a failure."""
    status = getattr(error, "status", UserError.status)
    sound = isinstance(status, int) and not isinstance(status, bool) and 0 < status < 256
    return status if sound else UserError.status


def reason(error: BaseException) -> str:
    """First line of the exception that started it all, for a message that quotes another library.

    What points to a report that is not shown, or to a web page, is left out.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    line = next((line for line in map(_without_pointers, str(error).splitlines()) if line), "")
    return line or type(error).__name__


def _without_pointers(line: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", line.strip())
    kept = [sentence for sentence in sentences if not re.search(_POINTER, sentence, re.IGNORECASE)]
    return " ".join(kept)
