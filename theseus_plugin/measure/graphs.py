"""What can be read off an ONNX file without running it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from theseus_plugin.errors import UserError
from theseus_plugin.vocabulary import Precision, is_precision

PRECISION_KEY = "theseus.precision"
"""Entry of the file's metadata in which an exporter may say the precision: in one of our words, or, if it is a method
and says so, in one of its own."""
_METHOD_KEY = "theseus.method"
_DYNAMIC = {"MatMulInteger", "QAttention", "DynamicQuantizeMatMul", "DynamicQuantizeLinear"}
_STATIC = {"QuantizeLinear", "DequantizeLinear", "QLinearMatMul"}
_PRECISIONS = get_args(Precision)


@dataclass(frozen=True)
class Graph:
    """Facts about an ONNX file."""

    counts: Counter[str]
    """Numbers in the initializers, by dtype."""
    precision: str
    """What the file says of itself, else what its operators and weights say."""
    needed: dict[str, int]
    """Files that hold weights, as the model names them, and how many bytes of each it reads at least."""
    outputs: tuple[str, ...]
    """Their names."""

    @property
    def external(self) -> list[str]:
        """These files."""
        return list(self.needed)


def read_graph(file: Path) -> Graph:
    """Read an ONNX file; weights in other files are not read.

    Raises:
        UserError: it is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(file, load_external_data=False)
        counts: Counter[str] = Counter()
        for tensor in model.graph.initializer:
            counts[str(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))] += math.prod(tensor.dims)
        needed: dict[str, int] = {}
        for tensor in _tensors(model.graph):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                place = {entry.key: entry.value for entry in tensor.external_data}
                end = int(place.get("offset", 0)) + int(place.get("length", 0))
                name = place.get("location", "")
                needed[name] = max(end, needed.get(name, 0))
    except (DecodeError, KeyError, ValueError):
        raise UserError(f"{file} cannot be read as ONNX: export it again") from None
    outputs = tuple(output.name for output in model.graph.output)
    return Graph(counts, _precision(model, counts), dict(sorted(needed.items())), outputs)


def _tensors(graph: Any) -> Iterator[Any]:
    """All that may lie in other files: initializers, and what nodes hold, those of their own graphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _precision(model: Any, counts: Counter[str]) -> str:
    said = {entry.key: entry.value for entry in model.metadata_props}
    word = said.get(PRECISION_KEY)
    if word in _PRECISIONS or (is_precision(word) and said.get(_METHOD_KEY)):
        return str(word)
    operators = {node.op_type for node in model.graph.node}
    quantised: Precision | None = (
        "int8-dynamic" if operators & _DYNAMIC else "int8-static" if operators & _STATIC else None
    )
    half = "float16" in counts
    if quantised is not None:
        return "mixed" if half else quantised
    return "fp16" if half else "fp32"
