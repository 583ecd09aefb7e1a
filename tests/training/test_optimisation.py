"""The learning rate, step by step."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.optimisation import build_lr_schedule

PEAK = 0.5
DECAYS = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "constant": lambda done: 1.0,
}


def expected(kind: str, steps: int, warmup: int) -> list[float]:
    """A warm-up from 0, then the decay over what is left."""
    rising = [PEAK * step / warmup for step in range(warmup)]
    return rising + [PEAK * DECAYS[kind](step / (steps - warmup)) for step in range(steps - warmup)]


def moving(config: TrainingConfig, phases: list[int]) -> tuple[torch.optim.Optimizer, Any]:
    """An optimizer and the schedule that moves its rate."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2, 2))], lr=PEAK)
    return optimizer, build_lr_schedule(optimizer, config, phases)


def rates(optimizer: torch.optim.Optimizer, schedule: Any, steps: int) -> list[float]:
    """The rates that the next steps are made with."""
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


@pytest.mark.parametrize("kind", DECAYS)
@pytest.mark.parametrize(
    ("per_phase", "lengths"), [(True, [(10, 2), (20, 4)]), (False, [(30, 6)])], ids=["per phase", "over all"]
)
def test_each_phase_has_its_own_warm_up_and_decay_or_all_have_one(
    kind: str, per_phase: bool, lengths: list[tuple[int, int]]
) -> None:
    config = TrainingConfig(lr_schedule=kind, warmup_share=0.2, lr_per_phase=per_phase)
    optimizer, schedule = moving(config, [10, 0, 20])
    wanted = [rate for steps, warmup in lengths for rate in expected(kind, steps, warmup)]
    assert rates(optimizer, schedule, 30) == pytest.approx(wanted)


@pytest.mark.parametrize("stop", [4, 9, 10, 11, 25])
def test_a_schedule_goes_on_from_what_a_checkpoint_holds(stop: int) -> None:
    config = TrainingConfig(warmup_share=0.2)
    whole = rates(*moving(config, [10, 20]), steps=30)
    optimizer, schedule = moving(config, [10, 20])
    before = rates(optimizer, schedule, stop)
    kept, state = json.loads(json.dumps(schedule.state_dict())), optimizer.state_dict()
    resumed, going_on = moving(config, [10, 20])
    going_on.load_state_dict(kept)
    resumed.load_state_dict(state)
    assert before + rates(resumed, going_on, 30 - stop) == whole
