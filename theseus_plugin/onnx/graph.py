"""Changes to an ONNX graph that several stages make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def set_nodes(graph: Any, nodes: Sequence[Any]) -> None:
    """Make `nodes`, of the graph itself or new, all that the graph has, in this order."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]  # clearing ends what was in it
    del graph.node[:]
    graph.node.extend(copies)
