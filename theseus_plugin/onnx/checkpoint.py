"""Checkpoint folders as they are read for export and measurement."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.onnx.quiet import quiet

WEIGHTS = "model.safetensors"


def weights(folder: str | Path) -> Path:
    """The weights file of a checkpoint folder.

    Raises:
        UserError: `folder` is not a folder with `config.json` and `model.safetensors`.
    """
    for name in ("config.json", WEIGHTS):
        if not Path(folder, name).is_file():
            raise UserError(
                f"{folder} is no checkpoint folder: it has no {name}; name one written by save_pretrained"
            )
    return Path(folder, WEIGHTS)


def load(folder: str | Path, auto_class: str, **options: Any) -> Any:
    """The PyTorch model of a checkpoint folder, in fp32 and eval mode.

    Args:
        folder: the checkpoint, safetensors only.
        auto_class: name of the `transformers` auto class that has the wanted head.
        options: further arguments of `from_pretrained`.

    Raises:
        UserError: no checkpoint folder, or one that does not fit the class.
    """
    weights(folder)
    import torch
    import transformers

    auto = getattr(transformers, auto_class)
    try:
        with quiet():
            model = auto.from_pretrained(
                str(folder), dtype=torch.float32, use_safetensors=True, local_files_only=True, **options
            )
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{folder}: {auto_class} cannot load it ({reason}): name a checkpoint of this task"
        ) from error
    return model.eval()


def sha256(file: Path) -> str:
    """Hash of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
