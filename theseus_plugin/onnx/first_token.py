"""No work on tokens that nobody reads: what follows the last attention, for the first token only.

The head of an encoder that classifies reads one token. Everything after the last block's attention treats each
token by itself, so there the others need not be computed: with three blocks that is a quarter of all products.
The logits stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from theseus_plugin.onnx.model_files import set_nodes

BY_TOKEN = {
    "MatMul": 1,
    "SkipLayerNormalization": 2,
    **dict.fromkeys(("BiasGelu", "FastGelu", "Gelu", "LayerNormalization", "QuickGelu", "Relu", "Tanh"), 1),
}
"""Operators that treat each token by itself, and how many of their first inputs hold tokens."""
STARTS, ENDS, AXES = "first_token.starts", "first_token.ends", "first_token.axes"


def keep_first_token(graph: Any) -> int:
    """Move the choice of the first token up in front of what treats each token by itself.

    Args:
        graph: an ONNX `GraphProto` with its nodes in order; changed in place.

    Returns:
        How many nodes work on one token now; 0 where the head does not read the first token alone.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    moved = _only_for_first_token(graph, constants)
    if all(node.op_type == "Gather" for node in moved):  # the choice alone, if that
        return 0
    made = {name for node in moved for name in node.output}
    sliced: dict[str, str] = {}
    for node in moved:
        for place in range(BY_TOKEN.get(node.op_type, 1)):
            name = node.input[place]
            if name not in made:
                sliced[name] = f"{name}.first_token"
                node.input[place] = sliced[name]
    count = len([node for node in moved if node.op_type != "Gather"])
    _slice(graph, sliced)
    return count


def _slice(graph: Any, sliced: Mapping[str, str]) -> None:
    """Make the tensors that are the values of `sliced`: the first token of those that are its keys."""
    from onnx import numpy_helper

    for name, value in ((STARTS, 0), (ENDS, 1), (AXES, 1)):
        graph.initializer.append(numpy_helper.from_array(np.array([value], dtype=np.int64), name))
    waiting = {short: name for name, short in sliced.items()}
    nodes: list[Any] = []
    for node in graph.node:
        for short in node.input:
            if short in waiting:
                nodes.append(slice_first(waiting.pop(short), short))
        nodes.append(node)
    set_nodes(graph, nodes)


def slice_first(source: str, result: str) -> Any:
    """The node that makes `result`, of shape (batch, 1, width), of the first token of `source`."""
    from onnx import helper

    return helper.make_node("Slice", [source, STARTS, ENDS, AXES], [result], name=f"{result}/slice")


def slices_first(node: Any) -> bool:
    """Whether a node is one that `slice_first` gives."""
    return node.op_type == "Slice" and list(node.input[1:]) == [STARTS, ENDS, AXES]


def _only_for_first_token(graph: Any, constants: Mapping[str, Any]) -> list[Any]:
    """The nodes whose results serve the choice of the first token alone, that choice included, last first."""
    readers: dict[str, list[int]] = {output.name: [-1] for output in graph.output}
    for place, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(place)
    found: set[int] = set()
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        read_by = [reader for name in node.output for reader in readers.get(name, [])]
        if _chooses_first(node, constants) or (_by_token(node, constants) and read_by and found.issuperset(read_by)):
            found.add(place)
    return [graph.node[place] for place in sorted(found, reverse=True)]


def _chooses_first(node: Any, constants: Mapping[str, Any]) -> bool:
    """Whether this is `x[:, 0]`."""
    from onnx import numpy_helper

    if node.op_type != "Gather" or not any(a.name == "axis" and a.i == 1 for a in node.attribute):
        return False
    index = constants.get(node.input[1])
    return index is not None and not index.dims and int(numpy_helper.to_array(index)) == 0


def _by_token(node: Any, constants: Mapping[str, Any]) -> bool:
    if node.op_type == "MatMul":
        weight = constants.get(node.input[1])
        return weight is not None and len(weight.dims) == 2
    if node.op_type == "LayerNormalization":
        return all(a.i == -1 for a in node.attribute if a.name == "axis")
    return node.op_type in BY_TOKEN
