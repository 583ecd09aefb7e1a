"""Our command in a process of its own, and how it says that something is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = str(Path(sys.executable).with_name("theseus-plugin"))


def refused(process: subprocess.CompletedProcess[str], *parts: str) -> None:
    lines = process.stderr.splitlines()
    assert process.returncode == 2, process.stderr
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in process.stderr
    assert sum(line.startswith("error: ") for line in lines) == 1
    for part in parts:
        assert part in lines[-1], lines[-1]
