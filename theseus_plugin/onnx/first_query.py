"""The last block's attention asked for the first token alone, where nothing else of it is read.

`first_token` cuts down what follows that attention. Its keys and values are needed of every token, but its query
only of one, which ONNX Runtime's Attention cannot express and its MultiHeadAttention can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from theseus_plugin.onnx.first_token import slice_first, slices_first
from theseus_plugin.onnx.model_files import set_nodes

TAKEN_OVER = {"num_heads", "mask_filter_value", "scale"}
"""Attributes of Attention that mean the same to MultiHeadAttention; with others the node is left alone."""


def keep_first_query(graph: Any) -> int:
    """Replace each Attention of which the first token alone is read.

    Args:
        graph: an ONNX `GraphProto` that `keep_first_token` has been applied to; changed in place.

    Returns:
        How many nodes were replaced.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    found = [(node, reader) for node, reader in _read_of_first(graph) if _replaceable(node, weights)]
    replaced = {node.output[0]: reader for node, reader in found}
    unused = {node.input[1] for node, _ in found}
    slices = [reader.output[0] for reader in replaced.values()]
    nodes: list[Any] = []
    for node in graph.node:
        if node.output[0] in replaced:
            nodes += _for_first_token(graph, node, replaced[node.output[0]].output[0], weights)
        elif node.output[0] not in slices:
            nodes.append(node)
    set_nodes(graph, nodes)
    for name in unused - {name for node in graph.node for name in node.input}:
        graph.initializer.remove(weights[name])
    return len(replaced)


def _read_of_first(graph: Any) -> list[tuple[Any, Any]]:
    """Each Attention that is read by one node only, which takes its first token, and that node."""
    readers: dict[str, list[Any]] = {output.name: [None] for output in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    attentions = [node for node in graph.node if node.op_type == "Attention" and len(node.output) == 1]
    found = [(node, readers.get(node.output[0], [])) for node in attentions]
    return [(node, of[0]) for node, of in found if len(of) == 1 and of[0] is not None and slices_first(of[0])]


def _replaceable(node: Any, weights: Mapping[str, Any]) -> bool:
    """Inputs are tokens, weights, bias and maybe a mask; the weights are at hand, a third each for Q, K and V."""
    weight = weights.get(node.input[1])
    return (
        len(node.input) <= 4
        and node.input[2] != ""
        and {attribute.name for attribute in node.attribute} <= TAKEN_OVER
        and weight is not None
        and weight.data_location != weight.EXTERNAL
        and weight.dims[1] % 3 == 0
    )


def _for_first_token(graph: Any, node: Any, result: str, weights: Mapping[str, Any]) -> list[Any]:
    """The products for query, keys and values, and their attention."""
    from onnx import helper, numpy_helper

    tokens, weight, bias, *mask = node.input
    nodes = [slice_first(tokens, f"{result}.query_of")]
    parts = np.split(numpy_helper.to_array(weights[weight]), 3, axis=1)
    for part, values, source in zip("qkv", parts, (f"{result}.query_of", tokens, tokens), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), f"{weight}.{part}"))
        nodes.append(
            helper.make_node("MatMul", [source, f"{weight}.{part}"], [f"{result}.{part}"], name=f"{node.name}/{part}")
        )
    attention = helper.make_node(
        "MultiHeadAttention",
        [*(f"{result}.{part}" for part in "qkv"), bias, *mask],
        [result],
        name=f"{node.name}/first_token",
        domain="com.microsoft",
    )
    attention.attribute.extend(node.attribute)
    return [*nodes, attention]
