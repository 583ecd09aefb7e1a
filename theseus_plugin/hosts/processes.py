"""A compression in several processes, started from within a host's single one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
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
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                sys.stderr.write(line)
                last.append(line)
                if said is None and line.startswith(_SAID):
                    said = line.removeprefix(_SAID).strip()
        except BaseException:
            process.terminate()  # the launcher ends its processes
            raise
    return process.returncode, said, list(last)
