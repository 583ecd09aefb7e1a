"""A process that knows transformers and nothing of ours: it reads checkpoints as their users will, and runs programs of
other environments without their start, which takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any


class StockProcess:
    """Lives for many programs, each of which gets a fork of it; see `tests/stock_server.py`."""

    def __enter__(self) -> StockProcess:
        server = Path(__file__).with_name("stock_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def read(self, folder: Path, auto_class: str, batch: dict[str, Any]) -> tuple[Any, int]:
        """Logits of the checkpoint in `folder` for a batch of arrays, and its number of parameters."""
        from safetensors.numpy import save_file

        save_file(batch, folder / "batch.safetensors.input")
        ended = self.run(["read", str(folder), auto_class, str(folder / "batch.safetensors.input")])
        assert ended.returncode == 0, f"the stock process could not read {folder}: {ended.stderr}"
        logits, parameters = json.loads(ended.stdout)
        return logits, parameters

    def run(
        self,
        program: Sequence[str],
        python: str = sys.executable,
        path: Sequence[str] = (),
        folder: Path | None = None,
        variables: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of Python, or `-m` and a module, with its arguments.

        Args:
            program: the words behind `python`.
            python: what the program takes for its interpreter.
            path: where it imports from.
            folder: the current one; None: that of this process.
            variables: all of the environment; None: those of this process.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as place:
            said = {name: str(Path(place, name)) for name in ("stdout", "stderr")}
            environment = dict(os.environ) if variables is None else variables
            where = {"folder": str(folder or Path.cwd()), "variables": environment, "python": python}
            job = {"program": list(program), "path": list(path), **where, **said}
            print(json.dumps(job), file=self._process.stdin, flush=True)
            status = int(self._process.stdout.readline())
            texts = [Path(file).read_text(encoding="utf-8", errors="replace") for file in said.values()]
        return subprocess.CompletedProcess(list(program), status, *texts)
