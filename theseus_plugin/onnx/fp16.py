"""Weights and products in fp16, for GPUs; inputs and logits stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.onnx import model_files
from theseus_plugin.onnx.model_files import set_nodes
from theseus_plugin.onnx.quantize import input_ranges
from theseus_plugin.quiet import mute

if TYPE_CHECKING:
    from theseus_plugin.vocabulary import Batch

FIXED = {"Cast", "Shape", "Gather", "Slice", "Concat", "Unsqueeze", "Reshape"}
"""Operators without arithmetic of their own: leaving one in fp32 gains nothing."""
FLOAT, FLOAT16 = 1, 10  # of onnx.TensorProto
LARGEST = 65504 / 2
"""Half of what fp16 holds: examples that were not looked at may go farther."""
MASKED = -1e8
"""What is less hides a token, and does so too as the least number that fp16 holds."""


def halvable(graph: Any) -> list[str]:
    """Names of the nodes that compute, in the order of the graph."""
    return [node.name for node in graph.node if node.op_type not in FIXED]


def floats(source: Path) -> list[str]:
    """Names of the fp32 tensors between the nodes of a model, as ONNX Runtime infers them.

    ONNX's own inference knows nothing of fused nodes.
    """
    import onnxruntime

    model = model_files.load_graph(source)
    observed = source.with_name("observed.onnx")
    known = {output.name for output in model.graph.output}
    made = dict.fromkeys(name for node in model.graph.node for name in node.output if name and name not in known)
    for name in made:
        model.graph.output.add().name = name
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        observed.write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(str(observed), options, providers=["CPUExecutionProvider"])
        return [one.name for one in session.get_outputs() if one.name in made and one.type == "tensor(float)"]
    finally:
        observed.unlink(missing_ok=True)


def beyond(source: Path, floats: Collection[str], batches: Iterable[Batch]) -> list[str]:
    """Names of the nodes that read or give numbers which fp16 does not hold, weights included.

    ONNX Runtime's CPU would not tell: it computes such a node in fp32, where a graphics card gives infinity.
    """
    import onnx

    model = onnx.load(source)
    ranges = input_ranges(source, list(floats), batches) if floats else {}
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT and (values := onnx.numpy_helper.to_array(tensor)).size:
            ranges[tensor.name] = float(values.min()), float(values.max())
    wide = {name for name, (low, high) in ranges.items() if high > LARGEST or MASKED < low < -LARGEST}
    return [node.name for node in model.graph.node if not wide.isdisjoint([*node.input, *node.output])]


def to_fp16(
    source: Path, target: Path, nodes: Collection[str], floats: Collection[str], fixed: Collection[str] = ()
) -> None:
    """Write `source` with `nodes` in fp16 to `target`.

    Args:
        source: the model in fp32.
        target: the file to write.
        nodes: names of those to convert; the others that compute stay in fp32, between casts.
        floats: see `floats`; where a type is not known no cast is put.
        fixed: names of more nodes that stay in fp32, whether they compute or not.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    left_out = [*(name for name in halvable(model.graph) if name not in nodes), *fixed]
    del model.graph.value_info[:]
    model.graph.value_info.extend(onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in floats)
    with mute():
        halved = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True, node_block_list=left_out)
    del halved.graph.value_info[:]
    _join(halved.graph)
    large = model_files.data_file(source).exists()
    onnx.save(halved, target, save_as_external_data=large, location=model_files.data_file(target).name)


def _join(graph: Any) -> None:
    """What goes from one node in fp32 to another is not cast to fp16 on the way."""

    def casts(kind: int) -> list[Any]:
        nodes = (node for node in graph.node if node.op_type == "Cast")
        return [node for node in nodes if any(one.name == "to" and one.i == kind for one in node.attribute)]

    narrowed = {node.output[0]: node.input[0] for node in casts(FLOAT16)}
    for node in casts(FLOAT):
        node.input[0] = narrowed.get(node.input[0], node.input[0])
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    set_nodes(graph, [node for node in graph.node if node.op_type != "Cast" or node.output[0] in used])
