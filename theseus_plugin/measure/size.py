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
    """Bytes and parameters of the model file."""

    name = "size"
    summary = "Bytes on disk and number of parameters"
    Config = SizeConfig

    def __init__(self, config: SizeConfig) -> None:
        self.config = config

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `bytes`, `parameters`, `parameters_by_dtype`, `blocks` or None, `file`, `sha256`.

        Whole numbers of 32 and 64 bits are positions and shapes: listed by dtype, but no parameters.

        Raises:
            UserError: a path that is no model, or a file that cannot be read as one.
        """
        from theseus_plugin.measure.models import resolve

        return [_record(model) for model in [resolve(name) for name in models]]


def _record(model: Model) -> dict[str, Any]:
    from theseus_plugin.files import read_json

    counts = onnx_counts(model.file) if model.kind == "onnx" else safetensors_counts(model.file)
    config = read_json(model.folder / "config.json")
    return {
        "bytes": model.file.stat().st_size,
        "parameters": sum(n for dtype, n in counts.items() if dtype not in _NOT_WEIGHTS),
        "parameters_by_dtype": dict(sorted(counts.items())),
        "blocks": next((config[key] for key in _BLOCKS if key in config), None),
        **model.facts(),
    }


def onnx_counts(file: Path) -> Counter[str]:
    """Numbers in the initializers of an ONNX graph, by dtype.

    Raises:
        UserError: no ONNX file, or one that keeps its weights in other files.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(file, load_external_data=False).graph
    except DecodeError:
        raise UserError(f"{file} cannot be read as ONNX: export it again") from None
    counts: Counter[str] = Counter()
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UserError(f"{file} keeps weights in other files, which is not supported: save it as one file")
        counts[str(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))] += math.prod(tensor.dims)
    return counts


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
