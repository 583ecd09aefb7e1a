"""Stacks whose blocks alternate, in every way that architectures have: what is taken, what its config becomes, and
that stock reads what our model computes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from theseus_plugin.errors import UserError
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.surgery.fields import shortened
from theseus_plugin.surgery.kinds import Kinds
from theseus_plugin.surgery.plan import kinds_of, notes, plan_stacks
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.stack import find_stacks
from theseus_plugin.surgery.successor import Cut, build_successor
from theseus_plugin.training.readback import check_folder
from theseus_plugin.training.training_mode import trainable_settings

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 3,
    "eos_token_id": 2,
    "cls_token_id": None,
    "sep_token_id": None,
    "sliding_window": 4,
}
EXPERTS = {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2, "num_local_experts": 4}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
NO_HEAD_DIM = {name: value for name, value in SIZES.items() if name != "head_dim"}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma2": ("CausalLM", SIZES),
    "gemma3_text": ("SequenceClassification", SIZES),
    "gemma4_text": (
        "CausalLM",
        SIZES | {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 120, "global_head_dim": 16},
    ),
    "modernbert": ("SequenceClassification", NO_HEAD_DIM | {"local_attention": 4}),
    "qwen3": (
        "SequenceClassification",
        SIZES | {"use_sliding_window": True, "max_window_layers": 3, "layer_types": None},
    ),
    "qwen3_moe": ("CausalLM", SIZES | EXPERTS | {"decoder_sparse_step": 2, "mlp_only_layers": []}),
    "qwen2_moe": ("CausalLM", NO_HEAD_DIM | EXPERTS | {"mlp_only_layers": [2, 5]}),
    "qwen3_next": ("CausalLM", SIZES | EXPERTS | LINEAR | {"shared_expert_intermediate_size": 16}),
    "llama4_text": ("CausalLM", SIZES | EXPERTS | {"interleave_moe_layer_step": 2, "intermediate_size_mlp": 64}),
    "smollm3": ("SequenceClassification", NO_HEAD_DIM),
    "cohere2": ("CausalLM", SIZES),
    "deepseek_v32": (
        "CausalLM",
        NO_HEAD_DIM
        | {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
        | {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 2}
        | {"moe_intermediate_size": 16, "index_head_dim": 16, "index_n_heads": 2, "index_topk": 4},
    ),
    "gpt_neox_japanese": ("CausalLM", NO_HEAD_DIM),
    "esm": ("MaskedLM", NO_HEAD_DIM | {"mask_token_id": 4, "token_dropout": False}),
}
DEPTHS = [(6, 4), (6, 2), (5, 3)]


def made(kind: str, depth: int, **overrides: Any) -> transformers.PreTrainedModel:
    head, sizes = ARCHITECTURES[kind]
    known = transformers.AutoConfig.for_model(kind).to_dict()
    fields = {name: value for name, value in (sizes | overrides).items() if name in known or name in overrides}
    config = transformers.AutoConfig.for_model(kind, num_hidden_layers=depth, num_labels=3, **fields)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"AutoModelFor{head}").from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model  # type: ignore[no-any-return]


def made_gpt_neo() -> Any:
    """Its blocks give tuples, and its config lists their kinds by repetition."""
    fields = {"num_heads": 2, "attention_types": [[["global", "local"], 3]], "window_size": 4, "vocab_size": 120}
    config = transformers.GPTNeoConfig(hidden_size=32, num_layers=6, bos_token_id=3, eos_token_id=2, **fields)
    return transformers.GPTNeoForCausalLM(config).eval()


def logits(model: Any) -> torch.Tensor:
    tokens = torch.randint(5, 110, (2, 12), generator=torch.Generator().manual_seed(1))
    tokens[:, -1] = 2
    with torch.no_grad():
        return model(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits  # type: ignore[no-any-return]


def cut(model: Any, blocks: int, **options: Any) -> tuple[Any, Any]:
    plans = plan_stacks(model, Shape(successor_blocks=blocks, partition="spread", **options))
    return plans, build_successor(model, [plan.cut for plan in plans])


@pytest.mark.parametrize(("depth", "blocks"), DEPTHS)
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_stock_reads_what_our_successor_computes(kind: str, depth: int, blocks: int, tmp_path: Path) -> None:
    head = ARCHITECTURES[kind][0]
    made(kind, depth).save_pretrained(tmp_path / "old")
    model = getattr(transformers, f"AutoModelFor{head}").from_pretrained(tmp_path / "old").eval()
    plans, successor = cut(model, blocks)
    successor.save_pretrained(tmp_path / "new")
    check_folder(tmp_path / "new", successor, f"AutoModelFor{head}")
    stock, report = getattr(transformers, f"AutoModelFor{head}").from_pretrained(
        tmp_path / "new", output_loading_info=True
    )
    assert not any(report.values())
    torch.testing.assert_close(logits(stock.eval()), logits(successor), rtol=0, atol=1e-6)
    (plan,) = plans
    assert notes(plans) == []
    built = Kinds(model.config, plan.cut.stack.blocks(model)).among(stock.config, plan.cut.stack.blocks(stock))
    assert built == [plan.kinds[source] for source in plan.cut.sources], "each block is of the kind of its source"
    for block, source in zip(plan.cut.stack.blocks(successor), plan.cut.sources, strict=True):
        old = plan.cut.stack.blocks(model)[source].state_dict()
        same = [torch.equal(value, old[name]) for name, value in block.state_dict().items() if name in old]
        assert all(same)
        assert len(same) >= 4


@pytest.mark.parametrize("initialisation", ["every-other", "module-last"])
@pytest.mark.parametrize("kind", [*sorted(set(ARCHITECTURES) - {"gpt_neox_japanese", "esm"}), "gpt_neo"])
def test_in_the_predecessors_stack_it_computes_the_same(kind: str, initialisation: str) -> None:
    """With all modules replaced: masks, windows and positions reach each block as they do in the finished model."""
    model = made(kind, 6) if kind in ARCHITECTURES else made_gpt_neo()
    options = {"successor_blocks": 3, "initialisation": initialisation}
    assembly = assemble(model, TheseusConfig.model_validate(options))
    with trainable_settings(assembly.predecessor), trainable_settings(assembly.successor):
        torch.testing.assert_close(logits(assembly.predecessor), logits(assembly.successor), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "depth", "blocks", "expected"),
    [
        ("gemma3_text", 26, 13, {"sliding_attention": [22, 11], "full_attention": [4, 2]}),
        ("gemma2", 26, 13, {"sliding_attention": [13, 7], "full_attention": [13, 6]}),
        ("modernbert", 22, 11, {"full_attention": [8, 4], "sliding_attention": [14, 7]}),
        ("qwen3_next", 24, 12, {"linear_attention": [18, 9], "full_attention": [6, 3]}),
    ],
)
def test_counts_by_kind(kind: str, depth: int, blocks: int, expected: dict[str, list[int]]) -> None:
    model = made(kind, depth)
    plans = plan_stacks(model, Shape(successor_blocks=blocks))
    assert kinds_of(plans) == {"blocks": expected}
    assert notes(plans) == []


def test_kinds_that_no_list_tells_of() -> None:
    """Every second block of this Qwen3-MoE is sparse by its number alone."""
    model = made("qwen3_moe", 6)
    plans, successor = cut(model, 3)
    assert len(set(plans[0].kinds)) == 2
    assert [type(block.mlp).__name__ for block in successor.model.layers] == [
        "Qwen3MoeMLP", "Qwen3MoeSparseMoeBlock", "Qwen3MoeMLP",
    ]  # fmt: skip
    assert plans[0].cut.sources == [0, 3, 4]


def test_numbers_of_blocks_follow_the_blocks() -> None:
    successor = cut(made("qwen2_moe", 6), 3)[1]
    dense = [index for index, block in enumerate(successor.model.layers) if not hasattr(block.mlp, "experts")]
    assert successor.config.mlp_only_layers == dense
    assert len(dense) == 1


def test_a_last_block_that_is_always_global_gets_weights_of_a_global_block() -> None:
    """Reading a config makes Gemma-4's last block one of full attention, whatever it lists."""
    model = made("gemma4_text", 12)
    plans, successor = cut(model, 4)
    assert successor.config.layer_types[-1] == "full_attention"
    assert plans[0].kinds[plans[0].cut.sources[-1]].startswith("full_attention")


def test_explicit_initialisations_stay_and_are_told_of() -> None:
    plans = plan_stacks(made("gemma3_text", 12), Shape(successor_blocks=4, initialisation="first"))
    assert plans[0].cut.sources == [0, 1, 2, 3]
    (note,) = notes(plans)
    assert note == "blocks: kinds of blocks do not keep their shares: 4 of 10 sliding_attention, 0 of 2 full_attention"


def test_a_block_whose_weights_do_not_fit_its_place_is_refused() -> None:
    model = made("qwen3_next", 8)
    with pytest.raises(UserError, match=r"block \d of model\.layers cannot start as a copy of block \d"):
        plan_stacks(model, Shape(successor_blocks=4, partition=[3, 1, 3, 1], initialisation="first"))


@pytest.mark.parametrize("kind", ["bert", "t5", "gpt2", "vit"])
def test_blocks_of_one_kind(kind: str) -> None:
    """Also with dropout of whole paths that grows from block to block, and a first block with a table of its own."""
    from tests.random_models import deep, head_of, random_model

    model = random_model(kind, head_of(kind), **deep(kind, 6))
    for stack in find_stacks(model):
        assert not Kinds(model.config, stack.blocks(model)).differ


def test_lists_that_only_happen_to_be_as_long_stay_whole() -> None:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[16, 16],
        patch_size=[4, 4],
    )  # fmt: skip
    model = ViTForImageClassification(config)
    (stack,) = find_stacks(model)
    successor = build_successor(model, [Cut(stack, [1], [1])])
    assert successor.config.image_size == [16, 16]
    assert successor.config.num_hidden_layers == 1
    text = made("gemma2", 2, eos_token_id=[2, 1])
    (stack,) = find_stacks(text)
    assert build_successor(text, [Cut(stack, [0], [0])]).config.eos_token_id == [2, 1]


@pytest.mark.parametrize("kind", ["swin", "pvt_v2", "segformer", "convnext"])
def test_pyramids_are_refused(kind: str) -> None:
    """Also Swin, whose patches happen to be as wide as it has stages: their size is no depth."""
    config = transformers.AutoConfig.for_model(kind)
    with torch.device("meta"):
        model = transformers.AutoModelForImageClassification.from_config(config)
    with pytest.raises(UserError, match=f"architecture '{kind}' cannot be compressed by replacing: "):
        find_stacks(model)


def test_stages_of_a_possible_backbone_are_named_anew() -> None:
    config = transformers.AutoConfig.for_model("beit", num_hidden_layers=6)
    assert config.out_features == ["stage6"]
    assert shortened(config, {"num_hidden_layers": [0, 2, 4]}).out_features == ["stage3"]
