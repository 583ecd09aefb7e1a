"""Phases with data of their own: which batches each one gets, also where a run is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import save_tiny
from theseus_plugin import UserError, load_recipe
from theseus_plugin.contract import TaskData
from theseus_plugin.training import loop
from theseus_plugin.training.batches import SimilarLengthBatches
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun


class Stopped(Exception):
    """Ends a run in the middle, as if it had been killed."""


class Watched(Phase):
    """Notes the token ids of each batch."""

    def __init__(self, model: Any, steps: int, data: TaskData | None, seen: list[Any]) -> None:
        super().__init__(f"phase of {steps}", model, steps, data=data)
        self.seen = seen

    def loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        rows = zip(batch["input_ids"].tolist(), batch["attention_mask"].sum(1).tolist(), strict=True)
        self.seen.append([row[:length] for row, length in rows])
        return super().loss(batch)


@pytest.fixture
def train(tmp_path: Path, reviews: dict[str, Any]) -> Callable[..., tuple[TaskData, TaskData, list[Any]]]:
    """Trains four phases in turn on the run's 90 examples and on 20 of them; gives both data and the batches seen."""
    model = save_tiny(tmp_path / "model", head=False, layers=1)

    def train(**options: Any) -> tuple[TaskData, TaskData, list[Any]]:
        config = TrainingConfig(max_steps=21, batch_size=8, eval_steps=30, precision="fp32", **options)
        task = load_recipe({"task": reviews}).create_task()
        run = TrainingRun("fit", str(model), str(tmp_path / "out"), task, {}, config, new_head=True)
        network, seen = run.load_model(), []
        few = replace(run.data, splits={"train": run.data.splits["train"][:20]})
        phases = [Watched(network, steps, data, seen) for steps, data in ((4, None), (2, few), (10, None), (5, few))]
        run.loop().run(phases, network.parameters)
        return run.data, few, seen

    return train


def batches(data: TaskData, seed: int = 42) -> list[list[list[int]]]:
    """Of three epochs, in the order of the sampler alone."""
    examples: Sequence[Any] = data.splits["train"]
    sampler = SimilarLengthBatches([len(example["input_ids"]) for example in examples], 8, 1, seed)
    found = []
    for epoch in range(3):
        sampler.epoch = epoch
        found += [[list(examples[at]["input_ids"]) for at in batch] for batch in sampler]
    return found


def test_phases_with_the_same_data_go_on_in_it_where_the_one_before_stopped(train: Any) -> None:
    whole, few, seen = train()
    run, own = batches(whole), batches(few)
    assert seen == [*run[:4], *own[:2], *run[4:14], *own[2:7]]


@pytest.mark.parametrize("step", [8, 18])
def test_a_resumed_run_goes_on_in_each_of_them(step: int, train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    original = loop._Run._step

    def spied(self: Any, phase: Any) -> None:
        if self.position.step == step:
            raise Stopped
        original(self, phase)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_step", spied)
        with pytest.raises(Stopped):
            train(checkpoint_steps=step)
    whole, few, seen = train(checkpoint_steps=step, resume=True)
    run, own = batches(whole), batches(few)
    assert seen == [*run[:4], *own[:2], *run[4:14], *own[2:7]][step:]


def test_data_of_a_phase_without_a_label_that_counts_is_refused(tmp_path: Path, reviews: dict[str, Any]) -> None:
    config = TrainingConfig(max_steps=2, precision="fp32")
    model = save_tiny(tmp_path / "model", head=False, layers=1)
    task = load_recipe({"task": reviews}).create_task()
    run = TrainingRun("fit", str(model), str(tmp_path / "out"), task, {}, config, new_head=True)
    network = run.load_model()
    none = replace(run.data, splits={"train": [{**run.data.splits["train"][0], "labels": -100}]})
    with pytest.raises(UserError, match="train: none of its 1 examples has a label that counts"):
        run.loop().run([Phase("x", network, 2, data=none)], network.parameters)
