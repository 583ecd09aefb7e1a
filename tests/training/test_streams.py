"""Phases with data of their own: which batches each one gets, also where a run is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import save_tiny
from tests.toy_task import Toy, Turning
from tests.training.dying import stopped_before
from theseus_plugin import UserError, load_recipe
from theseus_plugin.contract import TaskData
from theseus_plugin.training.batches import SimilarLengthBatches
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun


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
def test_a_resumed_run_goes_on_in_each_of_them(step: int, train: Any) -> None:
    with stopped_before(step):
        train(checkpoint_steps=step)
    whole, few, seen = train(checkpoint_steps=step, resume=True)
    run, own = batches(whole), batches(few)
    assert seen == [*run[:4], *own[:2], *run[4:14], *own[2:7]][step:]


def alternating(folder: Path, model: Path, **options: Any) -> tuple[list[Any], list[Any]]:
    """Trains in turn on the run's examples, which are others in every epoch, and on the same ones collated anew; gives
    the batches seen and what the examples were told.
    """
    config = TrainingConfig(max_steps=14, batch_size=8, eval_steps=30, precision="fp32", **options)
    toy = Toy()
    run = TrainingRun("fit", str(model), str(folder / "out"), toy, {}, config, new_head=True)
    network, seen = run.load_model(), []
    same = replace(run.data)
    phases = [Watched(network, steps, data, seen) for steps, data in ((5, None), (2, same), (3, None), (4, same))]
    run.loop().run(phases, network.parameters)
    return seen, toy.made[0].told


def turning(epochs: int) -> list[list[list[int]]]:
    """Batches of 8 of the examples as they are in each epoch, in the order of the sampler alone."""
    examples = Turning(0)
    sampler = SimilarLengthBatches([len(example["input_ids"]) for example in examples], 8, 1, 42)
    found = []
    for epoch in range(epochs):
        sampler.epoch = examples.epoch = epoch
        found += [[examples[at]["input_ids"] for at in batch] for batch in sampler]
    return found


def test_examples_that_two_phases_share_are_those_of_the_epoch_that_each_is_in(
    tmp_path: Path,
) -> None:
    """In a run that is not stopped, and in runs that are taken up in each of the phases."""
    model = save_tiny(tmp_path / "model", head=False, layers=1)
    expected = turning(3)
    expected = [*expected[:5], *expected[:2], *expected[5:8], *expected[2:6]]
    whole, told = alternating(tmp_path / "whole", model)
    assert whole == expected
    assert told == [0, 1, 0, 1, 2, 0, 1], "at the beginning of each epoch, and where a phase goes on in one"
    for step in (4, 6, 9, 12):
        with stopped_before(step):
            alternating(tmp_path / str(step), model, checkpoint_steps=step)
        again, _ = alternating(tmp_path / str(step), model, checkpoint_steps=step, resume=True)
        assert again == expected[step:], f"taken up after step {step}"


def test_data_of_a_phase_without_a_label_that_counts_is_refused(tmp_path: Path, reviews: dict[str, Any]) -> None:
    config = TrainingConfig(max_steps=2, precision="fp32")
    model = save_tiny(tmp_path / "model", head=False, layers=1)
    task = load_recipe({"task": reviews}).create_task()
    run = TrainingRun("fit", str(model), str(tmp_path / "out"), task, {}, config, new_head=True)
    network = run.load_model()
    none = replace(run.data, splits={"train": [{**run.data.splits["train"][0], "labels": -100}]})
    with pytest.raises(UserError, match="train: none of its 1 examples has a label that counts"):
        run.loop().run([Phase("x", network, 2, data=none)], network.parameters)
