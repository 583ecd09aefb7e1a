"""Fused nodes that are slower than their parts on a CPU, taken apart again.

ONNX Runtime's kernel for SkipLayerNormalization takes 2.5 to 4 times as long there as sums and a
LayerNormalization (2.1 ms against 0.5 for 2,048 tokens of 384 numbers on two cores), and BiasGelu keeps an
int8 product from adding the bias by itself. `python -m benchmarks.operators` measures both. An
EmbedLayerNormalization that is given position ids cannot be quantised as it is, its look-ups can.
"""

from __future__ import annotations

from typing import Any

from theseus_plugin.onnx.model_files import set_nodes


def suit_cpu(graph: Any) -> int:
    """Replace SkipLayerNormalization by sums and LayerNormalization, BiasGelu by a sum and Gelu, and embeddings with
    position ids by look-ups, a sum and LayerNormalization.

    Args:
        graph: an ONNX `GraphProto` with its nodes in order; changed in place.

    Returns:
        How many nodes were replaced.
    """
    parts = {
        "SkipLayerNormalization": _skip_layer_normalization,
        "BiasGelu": _bias_gelu,
        "EmbedLayerNormalization": _embedding,
    }
    nodes, replaced = [], 0
    for node in graph.node:
        made = parts[node.op_type](node) if node.op_type in parts else []
        replaced += bool(made)
        nodes += made or [node]
    set_nodes(graph, nodes)
    return replaced


def _skip_layer_normalization(node: Any) -> list[Any]:
    from onnx import helper

    inputs = [*node.input, ""]
    result, mean, deviation, total = [*node.output, "", "", ""][:4]
    if mean or deviation or not inputs[3]:
        return []
    made = []
    first = inputs[0]
    if inputs[4]:
        made.append(helper.make_node("Add", [first, inputs[4]], [f"{result}.biased"], name=f"{node.name}/bias"))
        first = f"{result}.biased"
    total = total or f"{result}.total"
    # Sum, not Add: the runtime would fuse Add and LayerNormalization again when it loads the model
    made.append(helper.make_node("Sum", [first, inputs[1]], [total], name=f"{node.name}/sum"))
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-12)
    norm = [total, inputs[2], inputs[3]]
    made.append(
        helper.make_node("LayerNormalization", norm, [result], name=f"{node.name}/norm", axis=-1, epsilon=epsilon)
    )
    return made


def _bias_gelu(node: Any) -> list[Any]:
    from onnx import helper

    (result,) = node.output
    return [
        helper.make_node("Add", list(node.input), [f"{result}.biased"], name=f"{node.name}/bias"),
        helper.make_node("Gelu", [f"{result}.biased"], [result], name=f"{node.name}/gelu", domain="com.microsoft"),
    ]


def _embedding(node: Any) -> list[Any]:
    from onnx import helper

    words, segments, *tables = node.input
    word_table, position_table, segment_table, gamma, beta, _mask, positions = [*tables, "", ""][:7]
    result = node.output[0]
    if not positions:
        return []
    look_ups = {"words": (word_table, words), "positions": (position_table, positions)}
    if segment_table:
        look_ups["segments"] = (segment_table, segments)
    made = [
        helper.make_node("Gather", inputs, [f"{result}.{name}"], name=f"{node.name}/{name}")
        for name, inputs in look_ups.items()
    ]
    made.append(helper.make_node("Sum", [f"{result}.{name}" for name in look_ups], [f"{result}.total"]))
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-12)
    norm = [f"{result}.total", gamma, beta]
    return [*made, helper.make_node("LayerNormalization", norm, [result], axis=-1, epsilon=epsilon)]
