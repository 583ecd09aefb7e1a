"""Rules 2 to 5 of the replacing loop: empty draws, the rate's clock, what is frozen, what trains afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from tests.tiny import tiny_config
from theseus_plugin import compress
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.teaching.logits import Imitation
from theseus_plugin.training.run import TrainingRun
from theseus_plugin.training.step import Stepper


class Bench:
    """A tiny model with its two phases, as `compress` builds them."""

    def __init__(self, steps: int = 10, total: int = 20, **options: Any) -> None:
        torch.manual_seed(0)
        self.config = TheseusConfig.model_validate({"successor_blocks": 3, **options})
        self.model = AutoModelForSequenceClassification.from_config(tiny_config("bert"))
        self.predecessor_blocks = list(self.model.bert.encoder.layer)
        self.assembly = assemble(self.model, self.config)
        self.modules = self.assembly.modules
        self.successors = list(self.assembly.successor_blocks)
        self.replacing = ReplacingPhase(self.assembly, self.config, steps, total)
        self.following = SuccessorPhase(self.assembly, self.config, total - steps)

    def backward(self) -> None:
        self.model.train()
        ids = torch.randint(5, 20, (4, 9))
        self.model(input_ids=ids, labels=torch.tensor([0, 1, 0, 1])).loss.backward()


def test_the_successor_starts_as_a_copy_of_every_other_block() -> None:
    bench = Bench()
    for successor, block in zip(bench.successors, bench.predecessor_blocks[::2], strict=True):
        for copied, original in zip(successor.parameters(), block.parameters(), strict=True):
            assert torch.equal(copied, original)
            assert copied is not original


def test_module_i_holds_the_blocks_of_its_run() -> None:
    bench = Bench()
    slots = list(bench.model.bert.encoder.layer)
    assert [slot.predecessor for slot in slots] == bench.predecessor_blocks
    assert [bench.modules.index(slot.module) for slot in slots] == [0, 0, 1, 1, 2, 2]
    assert [slot.successor for slot in slots[::2]] == bench.successors
    assert [slot.successor for slot in slots[1::2]] == [None] * 3


def test_replacing_freezes_all_but_the_successor_blocks() -> None:
    bench = Bench()
    bench.replacing.start()
    trained = {id(p) for p in bench.model.parameters() if p.requires_grad}
    assert trained == {id(p) for block in bench.successors for p in block.parameters()}


def test_gradients_flow_through_the_frozen_blocks() -> None:
    bench = Bench()
    bench.replacing.start()
    for module, replaced in zip(bench.modules, (True, False, False), strict=True):
        module.replaced = replaced
    bench.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in bench.successors[0].output.parameters())
    others = [p for p in bench.model.parameters() if not p.requires_grad]
    assert others
    assert all(p.grad is None for p in others)


def test_every_drawn_pass_can_be_trained_on() -> None:
    """At p = 0.01 nearly every plain draw of 3 modules is empty; none of ours is, so `backward` never fails."""
    bench = Bench(schedule={"name": "constant", "rate": 0.01})
    bench.replacing.start()
    for micro_step in range(10):
        bench.replacing.before_forward(0, micro_step)
        bench.backward()


def test_clip_scope_all_gives_frozen_weights_a_gradient() -> None:
    bench = Bench(clip_scope="all")
    bench.replacing.start()
    for module in bench.modules:
        module.replaced = False
    bench.modules[0].replaced = True
    bench.backward()
    assert bench.model.classifier.weight.grad is not None
    assert next(bench.predecessor_blocks[4].parameters()).grad is not None


@pytest.mark.parametrize(("choice", "head_trains"), [("all", True), ("blocks", False)])
def test_what_trains_in_the_successor_phase(choice: str, head_trains: bool) -> None:
    bench = Bench(successor_phase=choice)
    bench.replacing.start()
    bench.replacing.finish(lambda model: {})
    bench.following.start()
    model = bench.following.model
    assert list(model.bert.encoder.layer) == bench.successors
    assert not bench.model.bert.encoder.layer, "the predecessor's blocks are let go"
    assert all(p.requires_grad for block in bench.successors for p in block.parameters())
    for part in (model.classifier, model.bert.embeddings, model.bert.pooler):
        assert all(p.requires_grad is head_trains for p in part.parameters())


def test_the_rate_follows_the_step_it_is_told() -> None:
    bench = Bench(schedule={"name": "linear", "base_rate": 0.5, "slope": 0.1})
    rates = []
    for step, micro_step in [(0, 0), (0, 1), (1, 2), (5, 9)]:
        bench.replacing.before_forward(step, micro_step)
        rates.append(bench.replacing.numbers()["p"])
    assert rates == pytest.approx([0.5, 0.5, 0.6, 1.0])


def _record_rates(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **training: Any) -> list[tuple[int, float]]:
    """(optimizer step, p) at every forward pass of a whole run."""
    from theseus_plugin import compress

    seen: list[tuple[int, float]] = []
    before_forward = ReplacingPhase.before_forward

    def spy(self: ReplacingPhase, step: int, micro_step: int) -> None:
        before_forward(self, step, micro_step)
        assert micro_step == len(seen)
        seen.append((step, self.rate))

    monkeypatch.setattr(ReplacingPhase, "before_forward", spy)
    recipe["method"] |= {"schedule": {"name": "linear", "base_rate": 0.4, "slope": 0.15}}
    recipe["method"]["training"] = recipe["method"]["training"] | training
    compress(recipe)
    return seen


def test_the_rate_moves_once_per_optimizer_step_under_accumulation(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 examples, batch 8: 12 forwards an epoch; accumulating 3, 4 optimizer steps."""
    seen = _record_rates(recipe, monkeypatch, gradient_accumulation=3, epochs=1)
    assert seen == [(s, pytest.approx(0.4 + 0.15 * s)) for s in (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3)]


def test_training_leaves_the_frozen_parts_bit_for_bit(
    recipe: dict[str, Any], predecessor: Path, tmp_path: Path
) -> None:
    from theseus_plugin import compress

    recipe["method"] |= {"successor_phase": "blocks"}
    compress(recipe)
    old = AutoModelForSequenceClassification.from_pretrained(predecessor).state_dict()
    new = AutoModelForSequenceClassification.from_pretrained(recipe["successor"]).state_dict()
    for name, value in new.items():
        assert torch.equal(value, old[name]) is ("encoder.layer" not in name), name


def test_the_successor_phase_trains_embeddings_and_head(recipe: dict[str, Any], predecessor: Path) -> None:
    from theseus_plugin import compress

    # A rate that cannot get better later would leave the best weights in the replacing phase: evaluate at the end only.
    recipe["method"]["training"] = recipe["method"]["training"] | {"eval_steps": 1000}
    compress(recipe)
    old = AutoModelForSequenceClassification.from_pretrained(predecessor).state_dict()
    new = AutoModelForSequenceClassification.from_pretrained(recipe["successor"]).state_dict()
    for name in ("classifier.weight", "bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight"):
        assert not torch.equal(new[name], old[name])


@pytest.mark.parametrize(("scope", "frozen_counts"), [("trainable", False), ("all", True)])
def test_what_counts_in_the_clipping_norm(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, scope: str, frozen_counts: bool
) -> None:
    """The parameters with a gradient when the norm is taken, in the replacing phase."""
    from theseus_plugin.plugins.registry import create

    counted: list[set[str]] = []
    update = Stepper.update

    def spy(self: Stepper, phase: Any) -> None:
        if phase.name == "replacing":
            counted.append({name for name, p in phase.model.named_parameters() if p.grad is not None})
        update(self, phase)

    monkeypatch.setattr(Stepper, "update", spy)
    method = {k: v for k, v in recipe["method"].items() if k != "name"} | {"clip_scope": scope}
    task = create("task", "text-classification", {k: v for k, v in recipe["task"].items() if k != "name"}, "task")
    create("method", "theseus", method, "method").compress(recipe["predecessor"], recipe["successor"], task)
    assert counted
    for names in counted:
        assert any(".successor." in name for name in names)
        assert any(".successor." not in name for name in names) is frozen_counts


@pytest.mark.parametrize("scope", ["trainable", "all"])
def test_only_successor_blocks_move_in_the_replacing_phase(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    """Although the optimizer holds all that the successor phase trains, and clipping may count all."""
    found: dict[str, torch.Tensor] = {}
    finish = ReplacingPhase.finish

    def spy(self: ReplacingPhase, evaluate: Any) -> None:
        found.update({name: tensor.clone() for name, tensor in self.outcome.state_dict().items()})
        finish(self, evaluate)

    monkeypatch.setattr(ReplacingPhase, "finish", spy)
    recipe["method"] |= {"clip_scope": scope, "successor_phase": "all"}
    compress(recipe)
    before = load_file(Path(recipe["predecessor"]) / "model.safetensors")
    moved = {name for name, tensor in found.items() if not torch.equal(tensor, before[name])}
    assert moved and all(name.startswith("bert.encoder.layer.") for name in moved)


def test_run_and_loop_agree_on_the_number_of_steps(recipe: dict[str, Any]) -> None:
    from theseus_plugin.recipe import load_recipe

    config = TheseusConfig.model_validate({k: v for k, v in recipe["method"].items() if k != "name"}).training
    run = TrainingRun("x", recipe["predecessor"], recipe["successor"], load_recipe(recipe).create_task(), {}, config)
    assert run.loop().steps == 24


class Spoken:
    """Logits of a model, and its loss on the labels."""

    def __init__(self, model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            self.logits = model.eval()(input_ids=batch["input_ids"]).logits
        self.loss = torch.nn.functional.cross_entropy(self.logits, batch["labels"])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_predecessors_logits_have_their_share_in_the_loss(share: float) -> None:
    bench = Bench(logits_share=share, temperature=3.0)
    batch = {"input_ids": torch.randint(5, 20, (4, 9)), "labels": torch.tensor([0, 1, 0, 1])}
    untouched = AutoModelForSequenceClassification.from_config(tiny_config("bert"))
    for model in (untouched, bench.assembly.successor):
        torch.nn.init.normal_(model.classifier.weight, std=1.0)  # logits that differ
    imitation = Imitation(untouched, shifted=False, temperature=3.0, share=share) if share else None
    phase = SuccessorPhase(bench.assembly, bench.config, 10, imitation)
    ours, theirs = Spoken(bench.assembly.successor, batch), Spoken(untouched, batch)
    p, q = (one.logits.div(3.0).softmax(-1) for one in (theirs, ours))
    expected = (1 - share) * ours.loss + share * 9 * (p * (p / q).log()).sum(-1).mean()
    assert phase.loss(batch).item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_imitated_predecessor_stays_as_it_was(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In both phases, though the successor trains the embeddings it shares with it."""
    seen: list[dict[str, torch.Tensor]] = []
    ask = Imitation.ask

    def watched(self: Imitation, batch: Any) -> Any:
        if not seen or len(seen) < 30:
            seen.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        return ask(self, batch)

    monkeypatch.setattr(Imitation, "ask", watched)
    recipe["method"]["logits_share"] = 0.5
    compress(recipe)
    before = load_file(Path(recipe["predecessor"], "model.safetensors"))
    assert len(seen) > 20
    for name, tensor in before.items():
        assert torch.equal(seen[-1][name], tensor)
