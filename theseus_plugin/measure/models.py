"""What can be measured: an ONNX model or a checkpoint folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from theseus_plugin.checkpoint import WEIGHTS
from theseus_plugin.errors import UserError
from theseus_plugin.files import sha256

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["onnx", "torch"]
ONNX = "model.onnx"


class Runnable(Protocol):
    """A model that is ready to run."""

    def run(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits for arrays of shape (batch, length) by input name."""


@dataclass(frozen=True)
class Model:
    """A model on disk."""

    name: str
    """As the user named it."""
    kind: Kind
    """What runs it: ONNX Runtime, or PyTorch as it is (eager, fp32)."""
    file: Path
    """The file with the weights."""
    sha256: str
    """Hash of that file."""

    @property
    def folder(self) -> Path:
        """Where its `config.json` and tokenizer are."""
        return self.file.parent

    def job(self, what: str, auto_class: str, threads: int) -> dict[str, Any]:
        """What a measuring process is told: do `what` with this model."""
        return {
            "job": what,
            "model": self.name,
            "kind": self.kind,
            "file": str(self.file),
            "auto_class": auto_class,
            "threads": threads,
        }

    def facts(self) -> dict[str, Any]:
        """Which file a record is about."""
        return {"file": str(self.file), "sha256": self.sha256}


def resolve(name: str) -> Model:
    """The model at a path: a folder with `model.onnx` or `model.safetensors`, or such a file.

    Raises:
        UserError: neither is there, or both, or no `config.json` beside it.
    """
    path = Path(name)
    if path.is_dir():
        found = [path / file for file in (ONNX, WEIGHTS) if (path / file).is_file()]
        if len(found) != 1:
            have = "neither" if not found else "both"
            advice = "name a model folder" if not found else "name the file to measure"
            raise UserError(f"{name}: {have} {ONNX} {'nor' if not found else 'and'} {WEIGHTS} in this folder: {advice}")
        path = found[0]
    elif not path.is_file():
        raise UserError(f"{name}: no such file or folder; name an ONNX model or a checkpoint folder")
    kinds: dict[str, Kind] = {".onnx": "onnx", ".safetensors": "torch"}
    if path.suffix not in kinds:
        raise UserError(f"{name} is no model: name a folder, an .onnx file or a .safetensors file")
    if not path.with_name("config.json").is_file():
        raise UserError(f"{name}: no config.json beside the model: put the checkpoint's config and tokenizer there")
    return Model(name, kinds[path.suffix], path, sha256(path))


def open_model(kind: Kind, file: Path, auto_class: str, threads: int) -> Runnable:
    """Load a model into this process, on the CPU.

    Raises:
        UserError: the runtime refuses it.
    """
    if kind == "onnx":
        from theseus_plugin.onnx.session import Session

        return Session(file, threads)
    return _TorchModel(file, auto_class, threads)


class _TorchModel:
    def __init__(self, file: Path, auto_class: str, threads: int) -> None:
        import torch

        from theseus_plugin.checkpoint import load_model

        torch.set_num_threads(threads)
        self._model = load_model(str(file.parent), auto_class)

    def run(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            logits: np.ndarray = self._model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits.numpy()
        return logits
