"""Fusion of an exported graph by ONNX Runtime's optimizer for transformers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from theseus_plugin.onnx.embedding import fuse_embedding
from theseus_plugin.onnx.model_files import data_file
from theseus_plugin.quiet import mute


def fuse(plain: Path, fused: Path, heads: int, width: int, attention: bool = True) -> dict[str, int]:
    """Write `plain` with its attention, embedding, GELU and layer norm nodes fused to `fused`.

    Args:
        plain: the exported graph.
        fused: the file to write; like `plain`, it comes with a data file or without.
        heads: number of attention heads; found from shapes where 0, which often fails.
        width: hidden size, 0 likewise.
        attention: whether attention is fused; without a causal mask among its patterns, that of a decoder goes wrong.

    Returns:
        Fused nodes by operator.
    """
    with mute():
        from onnxruntime.transformers.fusion_options import FusionOptions
        from onnxruntime.transformers.optimizer import optimize_model

        options = FusionOptions("bert")
        # By default the mask becomes one length per row: wrong for left padding, and not faster.
        options.use_raw_attention_mask(True)
        options.enable_attention = attention
        large = data_file(plain).exists()
        options.enable_shape_inference = not large  # takes six times the model's memory, and BERT needs none
        graph = optimize_model(
            str(plain),
            model_type="bert",  # those for other architectures find no more in the graphs of transformers 5
            num_heads=heads,
            hidden_size=width if heads else 0,  # both or neither
            optimization_options=options,
            opt_level=1,  # constant folding only: higher levels bake in what fits the CPU of this machine
        )
        if fuse_embedding(graph.model.graph):
            graph.prune_graph()
        graph.save_model_to_file(str(fused), use_external_data_format=large)
    return dict(sorted(Counter(n.op_type for n in graph.model.graph.node if n.domain == "com.microsoft").items()))
