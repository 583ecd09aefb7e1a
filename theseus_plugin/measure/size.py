"""Size of models on disk and in parameters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError
from theseus_plugin.validation import Options

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model

_BLOCKS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
_NOT_WEIGHTS = {"int64", "int32", "bool"}
_KINDS = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint"}


class SizeConfig(Options):
    """`size` has no options."""


class Size(Evaluator):
    """Bytes and parameters of a model, weights in files beside it included."""

    name = "size"
    summary = "Bytes on disk and number of parameters"
    Config = SizeConfig

    def __init__(self, config: SizeConfig) -> None:
        self.config = config

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `bytes`, `parameters`, `parameters_by_dtype`, `blocks` or None, `file`, `sha256`.

        Whole numbers of 32 and 64 bits are positions and shapes: listed by dtype, but no parameters.

        Raises:
            UserError: a path that is no model, or a file that cannot be read as one or is missing.
        """
        from theseus_plugin.measure.models import resolve

        return [_record(model) for model in [resolve(name) for name in models]]


def _record(model: Model) -> dict[str, Any]:
    if model.graph is not None:
        counts = model.graph.counts
    else:
        weights = [file for file in model.files if file.suffix == ".safetensors"]
        counts = sum((safetensors_counts(file) for file in weights), Counter())
    config = model.config
    return {
        "bytes": sum(file.stat().st_size for file in model.files),
        "parameters": sum(n for dtype, n in counts.items() if dtype not in _NOT_WEIGHTS),
        "parameters_by_dtype": dict(sorted(counts.items())),
        "blocks": next((config[key] for key in _BLOCKS if key in config), None),
        **model.facts(),
    }


def safetensors_counts(file: Path) -> Counter[str]:
    """Numbers in the tensors of a safetensors file, by dtype, from its header.

    Raises:
        UserError: it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            slices = [opened.get_slice(name) for name in opened.keys()]  # noqa: SIM118 - not a mapping
            tensors = [(part.get_dtype(), part.get_shape()) for part in slices]
    except SafetensorError:
        raise UserError(f"{file} cannot be read as safetensors: save the model again") from None
    counts: Counter[str] = Counter()
    for dtype, shape in tensors:
        counts[_dtype(dtype)] += math.prod(shape)
    return counts


def _dtype(name: str) -> str:
    """The name that numpy has for a dtype of safetensors: `float32` for `F32`."""
    kind = name.rstrip("0123456789")
    return _KINDS.get(kind, kind.lower()) + name[len(kind) :]
