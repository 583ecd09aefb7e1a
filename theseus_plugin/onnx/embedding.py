"""Fusion of embeddings that ONNX Runtime's optimizer leaves alone, RoBERTa's above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

OPERATOR = "EmbedLayerNormalization"
INT32 = 6
NORMS = {"LayerNormalization": 1, "SkipLayerNormalization": 2}  # and how many of its first inputs it adds up


def fuse_embedding(graph: Any) -> bool:
    """Make one node of the look-up of words, positions and segments, their sum and its layer norm, in place.

    ONNX Runtime's optimizer does so only where positions count from 0 in every row. RoBERTa's count the tokens
    that are no padding; the nodes that do so stay, and the fused node takes their result as its input, so that
    it is right for any padding. A table of one row, as RoBERTa's segments have, is added to the positions'.

    Args:
        graph: an ONNX `GraphProto`; may be left unsorted and with nodes that nobody needs.

    Returns:
        Whether there was such a sum.
    """
    producers = {output: node for node in graph.node for output in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    tables = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 2}
    for norm in graph.node:
        if norm.op_type not in NORMS or any(uses[name] for name in norm.output[1:]):
            continue
        summed = NORMS[norm.op_type]
        gathers = _look_ups(norm.input[:summed], producers, uses, tables)
        scale = norm.input[summed : summed + 2]
        if gathers is None or len(scale) < 2 or len(norm.input) > summed + 2:
            continue
        nodes = _fused(graph, norm, scale, gathers, tables)
        if nodes:
            graph.node.remove(norm)
            graph.node.extend(nodes)
            return True
    return False


def _look_ups(
    terms: Sequence[str], producers: Mapping[str, Any], uses: Mapping[str, int], tables: Mapping[str, Any]
) -> list[Any] | None:
    """The Gather nodes whose sum `terms` is, or None if it is something else or is needed elsewhere."""
    found = []
    left = list(terms)
    while left:
        name = left.pop()
        node = producers.get(name)
        if node is None or uses[name] != 1:
            return None
        if node.op_type == "Add":
            left.extend(node.input)
        elif node.op_type == "Gather" and node.input[0] in tables and not any(a.i for a in node.attribute):
            found.append(node)  # along axis 0
        else:
            return None
    return found


def _fused(graph: Any, norm: Any, scale: Sequence[str], gathers: list[Any], tables: Mapping[str, Any]) -> list[Any]:
    """The node that replaces `norm`, and the casts before it; nothing if these look-ups are no embedding."""
    from onnx import helper, numpy_helper

    words = [node for node in gathers if node.input[1] == "input_ids"]
    others = sorted((node for node in gathers if node not in words), key=lambda node: -tables[node.input[0]].dims[0])
    rows = [numpy_helper.to_array(tables[node.input[0]]) for node in others]
    if len(words) != 1 or not others or len(rows[0]) == 1:
        return []
    single = [row for row in rows[1:] if len(row) == 1]
    segments = others[1 : len(others) - len(single)]
    if len(segments) > 1:
        return []
    positions = numpy_helper.from_array(sum(single, start=rows[0]), f"{OPERATOR}_positions")
    graph.initializer.append(positions)
    casts = [
        helper.make_node("Cast", [node.input[1]], [f"{OPERATOR}_index_{i}"], f"{OPERATOR}_cast_{i}", to=INT32)
        for i, node in enumerate([*words, others[0], *segments])
    ]
    word_ids, position_ids, *segment_ids = [cast.output[0] for cast in casts]
    table = [node.input[0] for node in segments]
    fused = helper.make_node(
        OPERATOR,
        [
            word_ids,
            *(segment_ids or [""]),
            words[0].input[0],
            positions.name,
            *(table or [""]),
            *scale,
            "",
            position_ids,
        ],
        [norm.output[0], f"{OPERATOR}_mask"],
        OPERATOR,
        domain="com.microsoft",
        epsilon=next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5),
    )
    return [*casts, fused]
