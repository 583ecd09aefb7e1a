"""Weights and activations in 8 bits, by ONNX Runtime's quantizer, with the fused nodes kept.

Weights are quantised per channel, symmetrically. The range of an activation is found in every call (dynamic), or
once on real examples (static). The head stays in fp32: it costs next to nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.onnx import model_files
from theseus_plugin.quiet import mute

if TYPE_CHECKING:
    from theseus_plugin.vocabulary import Batch

FLOAT = 1  # onnx.TensorProto.FLOAT
POSITIONS = 8  # place of the position ids among the inputs of an EmbedLayerNormalization


def quantizable(graph: Any) -> list[str]:
    """Names of the nodes that can compute in 8 bits, in the order of the graph."""
    constants = {tensor.name: len(tensor.dims) for tensor in graph.initializer if tensor.data_type == FLOAT}
    names = []
    for node in graph.node:
        if node.op_type == "MatMul":
            able = node.input[1] in constants
        elif node.op_type == "EmbedLayerNormalization":  # the quantizer drops position ids
            able = len(node.input) <= POSITIONS
        elif node.op_type == "Gather":
            able = constants.get(node.input[0], 0) == 2 and not any(a.i for a in node.attribute if a.name == "axis")
        else:
            able = node.op_type == "Attention"
        if able:
            names.append(node.name)
    return names


def quantize_dynamic(source: Path, target: Path, nodes: Sequence[str]) -> None:
    """Write `source` with `nodes` in 8 bits to `target`; the range of their inputs is found in every call."""
    from onnxruntime import quantization

    with mute():
        quantization.quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Attention", "EmbedLayerNormalization", "Gather"],
            nodes_to_quantize=list(nodes),
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            use_external_data_format=model_files.data_file(source).exists(),
            # the quantizer infers no types behind fused nodes and stops there unless it is told one
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": FLOAT},
        )


def quantize_static(
    source: Path, target: Path, nodes: Sequence[str], ranges: Mapping[str, tuple[float, float]]
) -> None:
    """Write `source` with `nodes` in 8 bits to `target`; their inputs have the `ranges` that `input_ranges` found.

    ONNX Runtime's own static form takes the fused nodes apart or leaves them in fp32, so this is its dynamic
    form with constants in the place of what finds the ranges.
    """
    import onnx
    from onnx import helper, numpy_helper

    quantize_dynamic(source, target, nodes)
    model = onnx.load(target, load_external_data=False)
    finders = {node.input[0]: node for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"}
    for name, node in finders.items():
        quantised, scale, zero = node.output
        values = affine(*ranges[name])
        for tensor, value in zip((scale, zero), values, strict=True):
            model.graph.initializer.append(numpy_helper.from_array(value, tensor))
        node.CopyFrom(helper.make_node("QuantizeLinear", [name, scale, zero], [quantised], name=node.name))
    target.write_bytes(model.SerializeToString())


def calibrated(graph: Any, nodes: Sequence[str]) -> list[str]:
    """The tensors whose ranges the 8-bit forms of `nodes` need: what products and attention are given; each once."""
    takers = [node for node in graph.node if node.name in nodes and node.op_type in ("MatMul", "Attention")]
    return list(dict.fromkeys(node.input[0] for node in takers))


def input_ranges(source: Path, names: Sequence[str], batches: Iterable[Batch]) -> dict[str, tuple[float, float]]:
    """Smallest and largest number in the tensors `names`, one at least, of the graph `source` over `batches`."""
    from onnx import helper
    from onnxruntime import InferenceSession

    model = model_files.load_graph(source)
    observed = source.with_name("observed.onnx")
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(helper.make_tensor_value_info(n, FLOAT, None) for n in names if n not in known)
    ranges = dict.fromkeys(names, (0.0, 0.0))  # a zero must be representable: padding is
    try:
        observed.write_bytes(model.SerializeToString())
        session = InferenceSession(str(observed), providers=["CPUExecutionProvider"])
        for batch in batches:
            for name, values in zip(names, session.run(names, dict(batch)), strict=True):
                low, high = ranges[name]
                ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
    finally:
        observed.unlink(missing_ok=True)
    return ranges


def affine(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point that map `low` to `high`, which include 0, to 0 to 255."""
    scale = (high - low) / 255 or 1.0
    return np.array(scale, dtype=np.float32), np.array(round(-low / scale), dtype=np.uint8)
