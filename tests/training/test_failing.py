"""What a run does when its numbers are lost or the disk is full."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import warm
from theseus_plugin import UserError, compress, load_recipe
from theseus_plugin.training import loop
from theseus_plugin.training.training_mode import fast_dropout


def test_a_learning_rate_that_is_too_high(recipe: dict[str, Any]) -> None:
    """It stops before the step that would spoil the weights, and says where the last good ones are."""
    recipe["method"]["training"] |= {"learning_rate": 1e37, "warmup_share": 0.5, "checkpoint_steps": 1, "epochs": 1}
    with pytest.raises(UserError) as caught:
        compress(recipe)
    words = str(caught.value)
    assert "became" in words
    assert "lower learning_rate, it was " in words
    assert "; the last good checkpoint is that of step " in words
    step = int(words.split(" at step ")[1].split(";")[0])
    newest = Path(f"{recipe['successor']}.checkpoints") / f"step-{step - 1}"
    assert all(torch.isfinite(value).all() for value in load_file(newest / "model.safetensors").values())
    assert not Path(recipe["successor"]).exists()


def test_weights_that_are_no_numbers(recipe: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(recipe["predecessor"]).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    weights = load_file(broken / "model.safetensors")
    weights["bert.embeddings.LayerNorm.weight"][7] = torch.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    recipe["predecessor"] = str(broken)
    with pytest.raises(
        UserError, match=r"the loss became nan at step 1; at the first step: look for weights or examples"
    ):
        compress(recipe)


def test_bf16_is_named_where_it_may_be_the_cause(recipe: dict[str, Any]) -> None:
    recipe["method"]["training"] |= {"learning_rate": 1e37, "precision": "bf16"}
    with pytest.raises(UserError, match=r"train with precision: fp32, or lower learning_rate, it was .*; there was no"):
        compress(recipe)


def compress_on_a_full_disk(recipe: dict[str, Any]) -> None:
    """What a process does whose files may not be longer than 4 kB from step 10 on."""
    step = loop._Run._step

    def spied(self: Any, phase: Any) -> None:
        if self.position.step == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        step(self, phase)

    loop._Run._step = spied  # type: ignore[method-assign]
    try:
        compress(recipe)
    except UserError as error:
        sys.stdout.write(str(error))


def test_a_full_disk_keeps_the_checkpoint_before(recipe: dict[str, Any]) -> None:
    """Neither checkpoint nor result can be written."""
    recipe["method"]["training"] |= {"checkpoint_steps": 4, "eval_steps": 5}
    process = warm.called(compress_on_a_full_disk, recipe)
    warm.right(process)
    assert "no checkpoint at step 12 (File too large): training goes on; kept: step-8, step-4" in process.stderr
    assert process.stdout.startswith(f"cannot write {recipe['successor']}: File too large; nothing was kept")
    checkpoints = Path(f"{recipe['successor']}.checkpoints")
    assert {path.name for path in checkpoints.iterdir()} == {"step-8", "step-4"}
    resumed = compress(load_recipe(recipe, ["method.training.resume=true"]))
    whole = compress(load_recipe(recipe, [f"successor={recipe['successor']}-whole"]))
    one, other = (load_file(Path(result["output"]) / "model.safetensors") for result in (resumed, whole))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_dropout_masks_have_their_probability_and_follow_the_seed() -> None:
    ones = torch.ones(400, 500)
    with fast_dropout():
        torch.manual_seed(1)
        first = torch.dropout(ones, 0.1, True)
        second = torch.dropout(ones, 0.1, True)
        torch.manual_seed(1)
        again = torch.dropout(ones, 0.1, True)
        assert all((torch.zeros(99).bernoulli_(p) == p).all() for p in (0.0, 1.0))
        odd = torch.empty(7, 3, dtype=torch.bool).bernoulli_(0.5)
        assert odd.shape == (7, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    kept = first != 0
    assert torch.allclose(first[kept], torch.tensor(1 / 0.9))
    deviation = np.sqrt(0.1 * 0.9 / ones.numel())
    assert abs(float(kept.float().mean()) - 0.9) < 5 * deviation
    # no row or column is special, neighbours are independent
    assert float((kept.float().mean(0) - 0.9).abs().max()) < 5 * np.sqrt(0.09 / 400)
    assert float((kept.float().mean(1) - 0.9).abs().max()) < 5 * np.sqrt(0.09 / 500)
    both = float((kept[:, 1:] & kept[:, :-1]).float().mean())
    assert abs(both - 0.81) < 0.003


def test_after_the_block_dropout_is_pytorchs_own() -> None:
    torch.manual_seed(1)
    own = torch.dropout(torch.ones(1000), 0.5, True)
    with fast_dropout():
        torch.dropout(torch.ones(10), 0.5, True)
    torch.manual_seed(1)
    assert torch.equal(torch.dropout(torch.ones(1000), 0.5, True), own)
