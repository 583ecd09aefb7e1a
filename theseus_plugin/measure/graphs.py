"""What can be read off an ONNX file without running it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError

if TYPE_CHECKING:
    from theseus_plugin.measure.models import Precision

PRECISION_KEY = "theseus.precision"
"""Entry of the file's metadata in which an exporter may say the precision."""
_DYNAMIC = {"MatMulInteger", "QAttention", "DynamicQuantizeMatMul", "DynamicQuantizeLinear"}
_STATIC = {"QuantizeLinear", "DequantizeLinear", "QLinearMatMul"}
_PRECISIONS = ("fp32", "fp16", "int8-dynamic", "int8-static", "mixed")


@dataclass(frozen=True)
class Graph:
    """Facts about an ONNX file."""

    counts: Counter[str]
    """Numbers in the initializers, by dtype."""
    precision: Precision
    """What the file says of itself, else what its operators and weights say."""
    external: tuple[Path, ...]
    """Files beside it that hold weights."""


def read_graph(file: Path) -> Graph:
    """Read an ONNX file; weights in other files are not read.

    Raises:
        UserError: it is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(file, load_external_data=False)
    except DecodeError:
        raise UserError(f"{file} cannot be read as ONNX: export it again") from None
    counts: Counter[str] = Counter()
    external: set[str] = set()
    for tensor in model.graph.initializer:
        counts[str(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))] += math.prod(tensor.dims)
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            external |= {entry.value for entry in tensor.external_data if entry.key == "location"}
    return Graph(counts, _precision(model, counts), tuple(file.with_name(name) for name in sorted(external)))


def _precision(model: Any, counts: Counter[str]) -> Precision:
    for entry in model.metadata_props:
        if entry.key == PRECISION_KEY and entry.value in _PRECISIONS:
            return entry.value  # type: ignore[no-any-return]
    operators = {node.op_type for node in model.graph.node}
    quantised: Precision | None = (
        "int8-dynamic" if operators & _DYNAMIC else "int8-static" if operators & _STATIC else None
    )
    half = "float16" in counts
    if quantised is not None:
        return "mixed" if half else quantised
    return "fp16" if half else "fp32"
