"""Weights and products in fp16, for GPUs; inputs and logits stay as they are."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from theseus_plugin.onnx import external
from theseus_plugin.quiet import quiet

FIXED = {"Cast", "Shape", "Gather", "Slice", "Concat", "Unsqueeze", "Reshape"}
"""Operators without arithmetic of their own: leaving one in fp32 gains nothing."""


def halvable(graph: Any) -> list[str]:
    """Names of the nodes that compute, in the order of the graph."""
    return [node.name for node in graph.node if node.op_type not in FIXED]


def to_fp16(source: Path, target: Path, nodes: Collection[str]) -> None:
    """Write `source` with `nodes` in fp16 to `target`."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    left_out = [name for name in halvable(model.graph) if name not in nodes]
    with quiet():
        halved = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True, node_block_list=left_out)
    large = external.data_file(source).exists()
    onnx.save(halved, target, save_as_external_data=large, location=external.data_file(target).name)
