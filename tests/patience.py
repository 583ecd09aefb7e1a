"""How long tests wait for processes: for ever, but for those that hang. A loaded machine makes them slow, not fail."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

SECONDS = 1500
"""No process of a test works for so long, not even where twenty others want the same core; below pytest's own limit
in pyproject.toml, which ends all tests."""


def late(pid: int | None) -> str:
    """Why a process is taken for one that hangs."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    spent = "it has ended"
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        fields = status.read_text().rpartition(")")[2].split()
        own = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        spent = f"it is in state {fields[0]} after {own:.0f} seconds of CPU"
    return f"process {pid} has not ended after {SECONDS} s: {spent}; load average {load} on {os.cpu_count()} cores"


def finished(command: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is; gives its text streams. `options` are those of `Popen`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes | options) as process:
        try:
            said = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as expired:
            why = late(process.pid)
            process.kill()
            raise AssertionError(f"{why}\n{expired.stdout!r}\n{expired.stderr!r}") from None
        return subprocess.CompletedProcess(command, process.returncode, *said)
