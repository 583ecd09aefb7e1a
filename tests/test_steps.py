"""What the contenders of the training loop's benchmark see and count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification

from benchmarks import steps
from benchmarks.watching import before_passes, without_lengths
from tests.tiny import tiny_config
from theseus_plugin import api, load_recipe
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.phases import ReplacingPhase
from theseus_plugin.predict import lengths


@pytest.fixture
def home(tmp_path: Path, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the benchmark prepares it, but tiny; the machine's peak is not measured."""
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    rows = [{"text": "a good film", "label": 1}, {"text": "a bad one", "label": 0}]
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(steps, "_peak", lambda dtype: 1.0)
    return tmp_path


@pytest.mark.parametrize("longest", [False, True])
def test_our_contender_is_told_of_the_batches_and_draws_of_the_real_run(home: Path, longest: bool) -> None:
    """The authors' get theirs beforehand, from the same order of data and the same draws."""
    told = steps.run("ours-longest" if longest else "ours-fp32", home, 2)
    change = without_lengths if longest else steps._as_they_are
    _, stream, _, draws = steps._parts(steps._recipe(home, 2, change, precision="fp32"), 2)
    batches = stream.take(steps.WARM_UP + 2)[steps.WARM_UP :]
    assert told["useful_tokens"] == sum(int(batch["attention_mask"].sum()) for batch in batches)
    assert told["padded_tokens"] == sum(batch["attention_mask"].numel() for batch in batches)
    lengths = [batch["attention_mask"].sum(1).tolist() for batch in batches]
    drawn = zip(draws[steps.WARM_UP :], lengths, strict=True)
    assert told["operations"] == sum(steps.necessary(draw, row) for draw, row in drawn)
    assert len(told["step_seconds"]) == 2
    assert not hooks._global_forward_pre_hooks


def test_a_bare_step_goes_before_each_of_ours(home: Path) -> None:
    told = steps.run("paired", home, 3)
    assert {name: len(seconds) for name, seconds in told.items()} == {"ours_seconds": 3, "bare_seconds": 3}


@pytest.mark.parametrize("what", ["fit", "compress", "compress-blocks"])
def test_memory_is_that_of_a_whole_run(home: Path, what: str) -> None:
    assert steps.run(f"memory-{what}", home, 2)["steps"] == 2
    [folder] = home.glob("never-*")
    result = json.loads((folder / "result.json").read_text())
    assert sum(phase["steps"] for phase in result["training"]["phases"]) == steps.WARM_UP + 3
    assert (
        result["recipe"].get("method", {}).get("successor_phase")
        == {
            "fit": None,
            "compress": "all",
            "compress-blocks": "blocks",
        }[what]
    )


def test_passes_are_those_in_training_of_the_model_that_is_trained(recipe: dict[str, Any]) -> None:
    """Not those of evaluations, whose number differs from that of steps."""
    seen: list[tuple[bool, int]] = []
    with before_passes(lambda model, batch: seen.append((model.training, len(batch["labels"])))):
        record = api.compress(recipe)
    replacing = record["training"]["phases"][0]
    assert (replacing["name"], len(seen)) == ("replacing", replacing["steps"])
    assert set(seen) == {(True, 8)}


def test_examples_that_do_not_say_their_length_make_the_same_batch(recipe: dict[str, Any]) -> None:
    data = load_recipe(recipe).create_task().load(recipe["predecessor"])
    changed = without_lengths(data)
    assert len(set(lengths(data.splits["train"]))) > 3
    assert set(lengths(changed.splits["train"])) == {0}
    some = [5, 0, 17]
    for split in ("train", "validation"):
        before, after = (one.collate([one.splits[split][at] for at in some]) for one in (data, changed))
        assert {name: array.tolist() for name, array in after.items()} == {
            name: array.tolist() for name, array in before.items()
        }


@pytest.mark.parametrize("draw", [(True, False, False), (False, True, True), (False, False, True), (True, True, True)])
def test_necessary_operations_are_those_that_torch_counts(draw: tuple[bool, ...]) -> None:
    """Forward and backward of a real path, without padding; the head's own few are taken off."""
    config = TheseusConfig.model_validate({"successor_blocks": 3})
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert"), attn_implementation="eager")
    assembly = assemble(model, config)
    ReplacingPhase(assembly, config, 4, 6).start()
    for module, replaced in zip(assembly.modules, draw, strict=True):
        module.replaced = replaced
    batch, length, width = 4, 12, 32
    model.train()
    with FlopCounterMode(display=False) as counter:
        labels = torch.zeros(batch, dtype=torch.long)
        model(input_ids=torch.randint(5, 20, (batch, length)), labels=labels).loss.backward()
    head = 2 * 2 * batch * (width * width + width * 2)  # pooler and classifier, forward and back to their inputs
    assert counter.get_total_flops() - head == steps.necessary(draw, [length] * batch, width, inner=64)
