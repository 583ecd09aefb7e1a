"""A compression in several processes, started from within a host's single one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import write_json

_SAID = "error: "
"""How the command line begins the one line on a user's mistake."""


def compress_in_processes(recipe: Mapping[str, Any], processes: int) -> None:
    """Compress by the content of a recipe, in `processes` processes of this machine, one for each of its devices.

    What they print appears on this process's own output.

    Raises:
        UserError: what the command had to say.
        RuntimeError: it failed otherwise; the end of what it printed.
    """
    import torch

    cpu = [] if torch.accelerator.is_available() else ["--cpu"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes), *cpu]
    with tempfile.TemporaryDirectory(prefix="theseus-plugin-") as folder:
        path = Path(folder) / "recipe.json"
        write_json(path, recipe)
        status, said, last = _run([*launch, "-m", "theseus_plugin", "compress", str(path)])
    if said is not None:
        raise UserError(said)
    if status != 0:
        raise RuntimeError(f"{processes} processes failed with status {status}:\n{''.join(last)}")


def _run(command: list[str]) -> tuple[int, str | None, list[str]]:
    """Run a command to its end, showing its standard error.

    Gives its status, what it said of a user's mistake, and its last lines: after that one come those of the launchers
    and of the processes that were left alone.
    """
    said: str | None = None
    last: deque[str] = deque(maxlen=40)
    # a session of their own: the launcher does not hand a signal on to all of its processes
    with (
        _ended_by_sigterm(),
        subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
        ) as process,
    ):
        assert process.stderr is not None
        try:
            for line in process.stderr:
                sys.stderr.write(line)
                last.append(line)
                if said is None and line.startswith(_SAID):
                    said = line.removeprefix(_SAID).strip()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, said, list(last)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises SystemExit, so that it ends the processes too."""
    if threading.current_thread() is not threading.main_thread():  # only that one can say what a signal does
        yield
        return

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
