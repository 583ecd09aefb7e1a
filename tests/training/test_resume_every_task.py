"""Stopped in a later epoch and resumed, a run on any task is bit for bit the run that was not stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.families import families, section
from tests.tiny import save_decoder, save_tiny, save_vit
from tests.toy_data import task_section
from tests.toy_task import Toy
from tests.training.dying import stopped_before
from theseus_plugin.contract import Task
from theseus_plugin.fitting.plain import Plain
from theseus_plugin.recipe import Recipe
from theseus_plugin.training.config import TrainingConfig

FILES = ("token-classification", "masked-lm", "text-classification", "text-regression", "causal-lm")


def training(**more: Any) -> TrainingConfig:
    """Five epochs; an evaluation every 4 steps and a checkpoint every 5."""
    return TrainingConfig(
        **{"epochs": 5, "batch_size": 8, "eval_steps": 4, "checkpoint_steps": 5, "learning_rate": 2e-3, **more},
        precision="fp32",
    )


def task(name: str, folder: Path) -> Task:
    """A task on 24 toy examples, three batches an epoch."""
    if name == "toy":
        return Toy()
    if name == "relations":
        return Recipe(task=section(families(folder)) | {"negatives": 1, "paths": 1}).create_task()
    return Recipe(task=task_section(name, folder, 24, 16)).create_task()


@pytest.mark.parametrize("step", [9, 13])
@pytest.mark.parametrize("name", [*FILES, "image-classification", "relations", "toy"])
def test_stopped_in_a_later_epoch_it_goes_on_as_it_was(name: str, step: int, tmp_path: Path) -> None:
    """Before step 9 the third epoch is over, step 13 is in the middle of one; the checkpoints are in the middle."""
    if name == "image-classification":
        model = save_vit(tmp_path / "model", hidden_dropout_prob=0.1)
    elif name == "causal-lm":
        model = save_decoder(tmp_path / "model", "gpt2", "CausalLM")
    else:
        model = save_tiny(tmp_path / "model", head=False, layers=1)
    chosen = task(name, tmp_path)
    more = {"epochs": 2, "eval_steps": 7} if name == "relations" else {}
    whole = Plain(training(**more)).fit(str(model), str(tmp_path / "whole"), chosen)
    assert len(whole["training"]["evaluations"]) > 2
    with stopped_before(step):
        Plain(training(**more)).fit(str(model), str(tmp_path / "again"), chosen)
    again = Plain(training(**more, resume=True)).fit(str(model), str(tmp_path / "again"), chosen)
    assert again["training"]["resumed_at"] == [step // 5 * 5]
    assert again["training"]["evaluations"] == whole["training"]["evaluations"]
    assert again["after"] == whole["after"]
    ours, theirs = (load_file(tmp_path / run / "model.safetensors") for run in ("again", "whole"))
    for weight in theirs:
        np.testing.assert_array_equal(ours[weight], theirs[weight], err_msg=weight)


def test_nobody_but_the_loop_tells_a_split_its_epoch(tmp_path: Path) -> None:
    """Neither in training nor in evaluations, nor after a run was resumed."""
    model, toy = save_tiny(tmp_path / "model", head=False, layers=1), Toy()
    with stopped_before(8):
        Plain(training()).fit(str(model), str(tmp_path / "out"), toy)
    assert [split.told for split in toy.made] == [[0, 1, 2], []]
    Plain(training(resume=True)).fit(str(model), str(tmp_path / "out"), toy)
    assert [split.told for split in toy.made[2:]] == [[1, 2, 3, 4], []]
