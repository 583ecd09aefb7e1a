"""Which optimizer each phase trains with, and with what learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.moments import Moments
from theseus_plugin.training.optimizers import Optimizers
from theseus_plugin.training.phase import Phase


class Own(Phase):
    """A phase with a weight of its own, which takes over all moments of the weight before."""

    def __init__(self, name: str, steps: int, weight: Any, before: Any) -> None:
        super().__init__(name, torch.nn.Module(), steps)  # type: ignore[arg-type]
        self.weight, self.before = weight, before

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        return iter([self.weight])

    def carry(self, old: Moments, new: Moments) -> None:
        new[self.weight] = old[self.before]


@pytest.fixture
def weights() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(3)]


@pytest.fixture
def optimizers(weights: list[torch.nn.Parameter]) -> Optimizers:
    """Of four phases, the second and the last of which have weights of their own."""
    plain = [Phase(name, torch.nn.Module(), steps) for name, steps in (("first", 2), ("third", 4))]  # type: ignore[arg-type]
    phases = [plain[0], Own("second", 3, weights[1], weights[0]), plain[1], Own("last", 0, weights[2], weights[1])]
    return Optimizers(Accelerator(cpu=True), TrainingConfig(warmup_share=0.0), phases, lambda: weights[:1])


def held(stepper: Any) -> list[Any]:
    return [parameter for group in stepper.optimizer.param_groups for parameter in group["params"]]


def made(stepper: Any, weight: torch.nn.Parameter, steps: int) -> list[float]:
    """The learning rates of some steps."""
    rates = []
    for _ in range(steps):
        weight.grad = torch.ones(2, 2)
        rates.append(stepper.optimizer.param_groups[0]["lr"])
        stepper.optimizer.step()
        stepper.lr_schedule.step()
    return rates


def test_one_begins_with_each_phase_that_has_parameters_and_serves_until_the_next(
    optimizers: Optimizers, weights: list[torch.nn.Parameter]
) -> None:
    first = optimizers.stepper(0, carrying=True)
    assert [id(one) for one in held(first)] == [id(weights[0])]
    assert made(first, weights[0], 2) == pytest.approx([5e-5, 2.5e-5])
    second = optimizers.stepper(1, carrying=True)
    assert [id(one) for one in held(second)] == [id(weights[1])]
    assert float(Moments(second.optimizer)[weights[1]]["step"]) == 2
    assert made(second, weights[1], 3) == pytest.approx([5e-5 * left / 3 for left in (3, 2, 1)])
    assert optimizers.stepper(2, carrying=True) is second
    assert made(second, weights[1], 4) == pytest.approx([5e-5 * left / 4 for left in (4, 3, 2, 1)])
    last = optimizers.stepper(3, carrying=True)
    assert float(Moments(last.optimizer)[weights[2]]["step"]) == 9, "carried through a phase without steps"
    assert not first.optimizer.state and not second.optimizer.state, "nothing is kept of what is no longer used"


def test_nothing_is_carried_where_a_checkpoint_is_loaded_next(
    optimizers: Optimizers, weights: list[torch.nn.Parameter]
) -> None:
    optimizers.stepper(0, carrying=False)
    second = optimizers.stepper(1, carrying=False)
    assert Moments(second.optimizer)[weights[1]] == {}
