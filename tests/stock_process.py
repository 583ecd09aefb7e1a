"""A process that knows transformers and nothing of ours, and reads checkpoints as their users will."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

_CODE = """
import json, sys
import numpy, torch, transformers
from safetensors.numpy import load_file
for line in sys.stdin:
    folder, auto, batch = json.loads(line)
    model = getattr(transformers, auto).from_pretrained(folder).eval()
    inputs = {name: torch.from_numpy(array) for name, array in load_file(batch).items()}
    with torch.no_grad():
        logits = model(**inputs).logits.tolist()
    assert not any(name.startswith("theseus_plugin") for name in sys.modules)
    print("answer", json.dumps([logits, sum(p.numel() for p in model.parameters())]), flush=True)
"""


class StockProcess:
    """Lives for many checkpoints: starting Python with transformers takes seconds."""

    def __enter__(self) -> StockProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = [str(folder), auto_class, str(folder / "batch.safetensors.input")]
        print(json.dumps(question), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("answer "):
                logits, parameters = json.loads(line.removeprefix("answer "))
                return logits, parameters
        raise AssertionError(f"the stock process could not read {folder}")
