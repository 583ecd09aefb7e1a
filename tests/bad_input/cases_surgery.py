"""Predecessors whose blocks cannot be taken out, or not those that are asked for."""

from __future__ import annotations

from typing import Any

from tests.bad_input.driver import Case
from tests.bad_input.world import World

SPARSE = {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2, "head_dim": 16}
HYBRID = SPARSE | {
    "num_key_value_heads": 2,
    "shared_expert_intermediate_size": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
RECURRENT = {"num_key_value_heads": 1, "lru_width": 32, "head_dim": 16, "attention_window_size": 8}
NO_ATTENTION = ("cannot run without a block of attention", "all of these are", "choose more successor_blocks")
ALTERNATING = SPARSE | {"num_key_value_heads": 2, "decoder_sparse_step": 2, "mlp_only_layers": []}


def _of(kind: str, method: dict[str, Any] | None = None, **config: Any):
    """A predecessor of another architecture, and options of the method."""

    def prepare(w: World) -> list[str]:
        from tests.tiny import save_tiny
        from theseus_plugin.quiet import quiet

        with quiet():
            save_tiny("other", kind, layers=6, **config)
        sections: dict[str, Any] = {"predecessor": "other", "method": method or {}}
        if config.get("head") == "CausalLM":
            files = {split: str(w.assets / f"{split}.csv") for split in ("train", "validation")}
            sections["task"] = {"name": "causal-lm", **files, "text": "text", "max_length": 32}
        return ["compress", w.recipe(**sections)]

    return prepare


CASES = [
    Case("compresses a model whose layers share weights", _of("albert", embedding_size=16), ("'albert'", "share")),
    Case(
        "compresses an XLM, whose layers are four lists",
        _of("xlm", emb_dim=32, n_layers=6, n_heads=2),
        ("'xlm'", "transformer.attentions", "cannot be told apart"),
    ),
    Case(
        "puts weights of recurrent blocks where the module has full attention only",
        _of("qwen3_next", {"partition": [3, 1, 2], "initialisation": "first"}, **HYBRID),
        ("block 1 of model.layers cannot start as a copy of block 1", "initialisation"),
    ),
    Case(
        "starts the first, dense block from a sparse one",
        _of("qwen3_moe", {"initialisation": "last"}, **ALTERNATING),
        ("cannot start as a copy of block", "initialisation"),
    ),
    Case(
        "gives a stack that a model of one stack has not",
        _of("gemma2", {"successor_blocks": {"decoder": 2}}, head_dim=16, num_key_value_heads=2),
        ("successor_blocks: no stack 'decoder'",),
    ),
    Case(
        "asks for as many blocks as an alternating stack has",
        _of("gemma3_text", {"successor_blocks": 6}, head_dim=16, num_key_value_heads=2),
        ("successor_blocks is 6", "choose 1 to 5"),
    ),
    Case(
        "leaves a Qwen3-Next without a block of attention",
        _of("qwen3_next", {"successor_blocks": 2, "initialisation": "first"}, head="CausalLM", **HYBRID),
        (*NO_ATTENTION, "linear_attention"),
    ),
    Case(
        "leaves a RecurrentGemma without a block of attention",
        _of("recurrent_gemma", {"successor_blocks": 2}, head="CausalLM", **RECURRENT),
        NO_ATTENTION,
    ),
    Case(
        "leaves an LFM2 with its convolutions",
        _of(
            "lfm2",
            {"successor_blocks": 2, "initialisation": "first"},
            head="CausalLM",
            num_key_value_heads=2,
            layer_types=["conv", "conv", "full_attention"] * 2,
        ),
        (*NO_ATTENTION, "conv"),
    ),
]
