"""Resident memory of this process, in bytes; None where the system does not tell."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self")


def now() -> int | None:
    """What is resident."""
    return _field("VmRSS")


def peak() -> int | None:
    """The most that was resident since `forget_peak`, or, where that is not allowed, since the process began."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Let the peak start from what is resident now, where the system allows it."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")  # 5: the high water mark only


def _field(name: str) -> int | None:
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
