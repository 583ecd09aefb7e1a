"""Narrower feed-forward layers: stock again, and of the strongest units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.random_models import deep, head_of, random_batch, random_model, stock_logits
from theseus_plugin.errors import UserError
from theseus_plugin.surgery.stack import find_stacks
from theseus_plugin.surgery.successor import Cut, build_successor

LAYERS = {
    "bert": ("bert.encoder.layer.{}.intermediate.dense", "bert.encoder.layer.{}.output.dense"),
    "distilbert": ("distilbert.transformer.layer.{}.ffn.lin1", "distilbert.transformer.layer.{}.ffn.lin2"),
    "vit": ("vit.layers.{}.mlp.fc1", "vit.layers.{}.mlp.fc2"),
}


def narrow(kind: str, width: int, depth: int = 4, **overrides: Any) -> tuple[Any, Any]:
    model = random_model(kind, head_of(kind), **deep(kind, depth), **overrides)
    cuts = [Cut(stack, [0, 2], [0, 2]) for stack in find_stacks(model)]
    return model, build_successor(model, cuts, width)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_strongest_units_are_kept_in_their_order(kind: str) -> None:
    model, successor = narrow(kind, 24)
    for new, old in ((0, 0), (1, 2)):
        up, down = (model.get_submodule(path.format(old)) for path in LAYERS[kind])
        strength = [(up.weight[u].norm() * down.weight[:, u].norm()).item() for u in range(64)]
        kept = sorted(sorted(range(64), key=lambda u: -strength[u])[:24])
        narrow_up, narrow_down = (successor.get_submodule(path.format(new)) for path in LAYERS[kind])
        assert torch.equal(narrow_up.weight, up.weight[kept])
        assert torch.equal(narrow_up.bias, up.bias[kept])
        assert torch.equal(narrow_down.weight, down.weight[:, kept])
        assert torch.equal(narrow_down.bias, down.bias)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert", "gpt2", "llama", "t5", "bart", "vit"])
def test_units_without_weight_are_dropped_without_a_trace(kind: str) -> None:
    """Where all but 20 units of each block are dead, 20 units compute the same: whatever the layout of the gates."""
    model = random_model(kind, head_of(kind), **deep(kind, 3) | ({"n_inner": 64} if kind == "gpt2" else {}))
    alive = torch.zeros(64, dtype=torch.bool)
    alive[torch.randperm(64, generator=torch.Generator().manual_seed(1))[:20]] = True
    with torch.no_grad():
        for stack in find_stacks(model):
            for parameter in stack.blocks(model).parameters():
                for dim, size in enumerate(parameter.shape):
                    if size in (64, 128):
                        mask = alive.repeat(size // 64)
                        parameter.mul_(mask.view(-1, *[1] * (parameter.ndim - dim - 1)))
    stacks = find_stacks(model)
    same = build_successor(model, [Cut(s, range(s.depth), range(s.depth)) for s in stacks], 20)
    assert sum(p.numel() for p in same.parameters()) < sum(p.numel() for p in model.parameters())
    batch = random_batch(model, 3, 12)
    np.testing.assert_allclose(stock_logits(same, batch), stock_logits(model, batch), atol=1e-5)


@pytest.mark.parametrize("width", [0, 65])
def test_a_width_that_cannot_be_had(width: int) -> None:
    with pytest.raises(UserError, match=f"intermediate_size is {width}, the predecessor's intermediate_size is 64"):
        narrow("bert", width)


def test_blocks_that_differ_by_their_place() -> None:
    """ModernBERT's first block has no norm before its attention, T5's has the table of positions."""
    model = random_model("modernbert", **deep("modernbert", 6))
    (stack,) = find_stacks(model)
    last = build_successor(model, [Cut(stack, [4, 5], [4, 5])])
    assert not list(last.model.layers[0].attn_norm.parameters())
    assert torch.equal(last.model.layers[0].mlp.Wi.weight, model.model.layers[4].mlp.Wi.weight)
    t5 = random_model("t5", **deep("t5", 4))
    cut = build_successor(t5, [Cut(stack, [2, 3], [0, 1]) for stack in find_stacks(t5)])
    table = "transformer.encoder.block.0.layer.0.SelfAttention.relative_attention_bias"
    assert torch.equal(cut.get_submodule(table).weight, t5.get_submodule(table).weight)
