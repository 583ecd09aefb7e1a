"""One process per measured model, one at a time.

Several runtimes in one process disturb each other: their thread pools spin. A fresh interpreter is started
for each; it shares nothing with this process but the import path and a folder with arrays and JSON. While it
works, this process waits in a blocking read and uses no core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# The package is found where this process finds it; the working folder is searched only if it is here too.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from theseus_plugin.measure.worker import main; main()"
)


def run_child(
    job: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    threads: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Do a job of `theseus_plugin.measure.worker` in a process of its own.

    Args:
        job: what to do, as JSON; `model` names the model for error messages.
        arrays: its input.
        threads: how many threads every library in the process may use.
        tick: called for every step that the job reports.

    Returns:
        The job's record and arrays.

    Raises:
        UserError: the job raised one, or the process was killed.
        RuntimeError: it failed in any other way; carries the process's traceback.
    """
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="theseus-measure-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
        command = [sys.executable, "-P", "-c", _START, name, json.dumps(sys.path)]
        with (
            (folder / "errors.txt").open("w+") as errors,
            subprocess.Popen(
                command,
                env=_environment(threads),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    if line == "tick\n":
                        tick()
                status = process.wait()
            except BaseException:
                process.kill()
                raise
            errors.seek(0)
            said = errors.read()
        if status < 0:
            raise UserError(f"{job['model']}: its process was killed by signal {-status}: was there enough memory?")
        if (refusal := folder / "refusal.txt").exists():
            raise UserError(refusal.read_text())
        if status != 0:
            raise RuntimeError(f"measuring {job['model']} failed\n{said}")
        with np.load(folder / "result.npz", allow_pickle=False) as stored:
            return json.loads((folder / "result.json").read_text()), dict(stored)


def _environment(threads: int) -> dict[str, str]:
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(pools, str(threads)), "TOKENIZERS_PARALLELISM": "false"}
