"""Slots in every architecture: whichever branch they run, the model around them computes what a stock model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.random_models import KINDS, deep, head_of, random_batch, random_model, stock_logits
from tests.stock_process import StockProcess
from theseus_plugin.methods.replacing.assembly import Assembly, assemble, cast_frozen
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.surgery.plan import partition_of
from theseus_plugin.training.training_mode import trainable_settings

COMPRESSED = sorted(set(KINDS) - {"albert", "fnet"})
SHAPE = (3, 12, "right")


def made(kind: str, depth: int = 6, **options: Any) -> tuple[Any, Assembly, TheseusConfig]:
    """A random model, an assembly made of a twin of it, and the options."""
    config = TheseusConfig.model_validate({"successor_blocks": 3, **options})
    twin = random_model(kind, head_of(kind), **deep(kind, depth))
    return random_model(kind, head_of(kind), **deep(kind, depth)), assemble(twin, config), config


def logits(model: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    with trainable_settings(model):
        return stock_logits(model, batch)


def without_dropout(model: nn.Module) -> None:
    for part in model.modules():
        for name in ("p", "attention_dropout", "dropout", "activation_dropout"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_with_no_module_replaced_it_is_the_predecessor(kind: str) -> None:
    stock, assembly, _ = made(kind)
    batch = random_batch(stock, *SHAPE)
    for module in assembly.modules:
        module.in_eval = False
    np.testing.assert_array_equal(logits(assembly.predecessor, batch), stock_logits(stock, batch))


@pytest.mark.parametrize("initialisation", ["first", "every-other", "module-last", "last"])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_with_every_module_replaced_it_is_the_successor(kind: str, initialisation: str) -> None:
    stock, assembly, _ = made(kind, initialisation=initialisation)
    batch = random_batch(stock, *SHAPE)
    expected = stock_logits(assembly.successor, batch)
    np.testing.assert_allclose(logits(assembly.predecessor, batch), expected, atol=1e-6)
    assert np.abs(expected - stock_logits(stock, batch)).max() > 1e-3


@pytest.mark.parametrize("kind", COMPRESSED)
def test_training_runs_the_drawn_branch_of_each_module(kind: str) -> None:
    """One module replaced, in training: the same as a stock model of blocks of both, where depths allow to build it."""
    stock, assembly, _ = made(kind, partition=[1, 1, 4] if kind not in ("t5", "bart") else None)
    if kind in ("t5", "bart"):
        pytest.skip("two stacks: covered by the mix of both branches below")
    batch = random_batch(stock, *SHAPE)
    model = assembly.predecessor.train()
    without_dropout(model)
    for module, replaced in zip(assembly.modules, (True, False, False), strict=True):
        module.replaced = replaced
    # module 0 is a single block, whose successor starts as its copy: nothing may change
    with trainable_settings(model):
        np.testing.assert_allclose(stock_logits(model, batch), stock_logits(stock, batch), atol=1e-5)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_few_steps_train_the_successor_and_stock_reads_it(
    kind: str, tmp_path: Path, stock_process: StockProcess
) -> None:
    stock, assembly, config = made(kind)
    frozen = {name: value.clone() for name, value in stock.state_dict().items()}
    phases = [ReplacingPhase(assembly, config, 4, 6), SuccessorPhase(assembly, config, 2)]
    batch = random_batch(stock, *SHAPE)
    inputs = {name: torch.from_numpy(array) for name, array in batch.items()}
    step = 0
    for phase in phases:
        phase.start()
        optimizer = torch.optim.SGD([p for p in phase.model.parameters() if p.requires_grad], lr=0.1)
        phase.model.train()
        with trainable_settings(phase.model):
            for _ in range(phase.steps):
                phase.before_forward(step, step)
                phase.model(**inputs, labels=torch.tensor([0, 1, 2])).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                step += 1
        phase.finish(lambda model: {})
    successor = assembly.successor.eval()
    expected = stock_logits(successor, batch)
    successor.save_pretrained(tmp_path / "successor")
    found, parameters = stock_process.read(tmp_path / "successor", f"AutoModelFor{head_of(kind)}", batch)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert parameters == sum(p.numel() for p in successor.parameters()) < sum(p.numel() for p in stock.parameters())
    changed = {name for name, value in successor.state_dict().items() if not torch.equal(value, frozen[name])}
    paths = tuple(plan.cut.stack.path for plan in assembly.plans)
    assert any(name.startswith(paths) for name in changed)
    assert any("classifier" in n or "score" in n or "classification_head" in n for n in changed), (
        "the last phase trains all"
    )


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "mpnet", "t5", "bart", "qwen2", "modernbert"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_deterministic_mix_is_the_weighted_sum(kind: str, share: float) -> None:
    """Against both branches computed apart; with all the weight on the successors it is the successor."""
    stock, assembly, _ = made(kind, mixing="deterministic")
    batch = random_batch(stock, *SHAPE)
    model = assembly.predecessor.train()
    without_dropout(model)
    for module in assembly.modules:
        module.mix = share
    ends = {}
    last = assembly.plans[-1].cut.stack.blocks(model)[-1]
    last.register_forward_hook(lambda slot, given, out: ends.update(out=out[0] if isinstance(out, tuple) else out))
    last.predecessor.register_forward_hook(lambda *a: ends.update(old=a[2][0] if isinstance(a[2], tuple) else a[2]))
    final = [s for s in assembly.plans[-1].cut.stack.blocks(model) if s.successor is not None][-1]
    final.successor.register_forward_hook(lambda *a: ends.update(new=a[2][0] if isinstance(a[2], tuple) else a[2]))
    with trainable_settings(model):
        found = stock_logits(model, batch)
    torch.testing.assert_close(ends["out"], share * ends["new"] + (1 - share) * ends["old"])
    if share == 1:
        np.testing.assert_allclose(found, stock_logits(assembly.successor.eval(), batch), atol=1e-5)


def test_kinds_of_attention_follow_the_place_where_a_block_runs() -> None:
    """Sources full, sliding, sliding; the runs are (full, sliding), (sliding, full), (sliding, sliding)."""
    _, assembly, _ = made("qwen2")
    assert assembly.plans[0].cut.places == [0, 2, 4]
    assert assembly.successor.config.layer_types == ["full_attention", "sliding_attention", "sliding_attention"]
    _, assembly, _ = made("qwen2", initialisation="last")  # full, sliding, sliding as well
    assert assembly.plans[0].cut.sources == [3, 4, 5]
    _, assembly, _ = made("qwen2", successor_blocks=2, partition=[1, 5], initialisation="last")
    # the first module holds a block of full attention only, though its successor was one of sliding attention
    assert assembly.successor.config.layer_types == ["full_attention", "sliding_attention"]


def test_each_stack_can_have_its_own_partition() -> None:
    _, assembly, _ = made(
        "t5", successor_blocks={"encoder": 2, "decoder": 3}, partition={"encoder": [4, 2], "decoder": [1, 1, 4]}
    )
    assert partition_of(assembly.plans) == {"encoder": [[4, 1], [2, 1]], "decoder": [[1, 1], [1, 1], [4, 1]]}
    assert (assembly.successor.config.num_layers, assembly.successor.config.num_decoder_layers) == (2, 3)
    _, assembly, _ = made("bart", successor_blocks={"decoder": 2})
    assert (assembly.successor.config.encoder_layers, assembly.successor.config.decoder_layers) == (6, 2)
    batch = random_batch(assembly.successor, *SHAPE)
    np.testing.assert_allclose(logits(assembly.predecessor, batch), stock_logits(assembly.successor, batch), atol=1e-6)


def test_several_successor_blocks_a_module() -> None:
    stock, assembly, _ = made("bert", successor_blocks=4, modules=2)
    assert partition_of(assembly.plans) == {"blocks": [[3, 2], [3, 2]]}
    assert len(assembly.modules) == 2
    batch = random_batch(stock, *SHAPE)
    np.testing.assert_allclose(logits(assembly.predecessor, batch), stock_logits(assembly.successor, batch), atol=1e-6)


def test_both_models_share_all_that_is_no_block() -> None:
    _, assembly, _ = made("bert")
    blocks = {id(p) for p in assembly.successor_blocks.parameters()}
    shared = {id(p) for p in assembly.successor.parameters()} - blocks
    assert shared <= {id(p) for p in assembly.predecessor.parameters()}
    assert len(shared) == len(list(assembly.successor.bert.embeddings.parameters())) + 4  # pooler and classifier


def test_frozen_matrices_in_bf16_compute_what_autocast_makes_of_them() -> None:
    stock, assembly, _ = made("bert")
    batch = random_batch(stock, *SHAPE)
    model = assembly.predecessor
    for module in assembly.modules:
        module.in_eval = False
    successor = {name: value.clone() for name, value in assembly.successor.state_dict().items()}
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        inputs = {name: torch.from_numpy(array) for name, array in batch.items()}
        before = model(**inputs).logits
        cast_frozen(assembly, torch.bfloat16)
        assert torch.equal(model(**inputs).logits, before)
    after = assembly.successor.state_dict()
    assert all(
        torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in successor.items()
    )
