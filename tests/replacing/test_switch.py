from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from theseus_plugin.replacing.switch import ReplaceableModule, Switch, draw


class Add(nn.Module):
    """Adds a number, and what it is passed on."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, hidden: torch.Tensor, mask: float, *, extra: float = 0.0) -> torch.Tensor:
        return hidden + self.number + mask + extra


def module() -> ReplaceableModule:
    return ReplaceableModule([Add(1), Add(10)], Add(100))


def test_runs_one_branch_and_passes_every_argument_on() -> None:
    switch, hidden = module().train(), torch.zeros(2, 3, 4)
    switch.replaced = False
    assert torch.equal(switch(hidden, 0.5, extra=0.25), hidden + 11 + 2 * 0.75)
    switch.replaced = True
    assert torch.equal(switch(hidden, 0.5, extra=0.25), hidden + 100.75)


def test_eval_runs_the_successor() -> None:
    switch = module().eval()
    switch.replaced = False
    assert switch(torch.zeros(1), 0.0).item() == 100


def test_the_predecessors_dropout_is_a_choice() -> None:
    for dropout in (True, False):
        switch = ReplaceableModule([nn.Dropout()], nn.Dropout(), predecessor_dropout=dropout).train()
        assert switch.predecessor[0].training is dropout
        assert switch.successor.training


def test_a_draw_depends_on_seed_and_micro_step_alone() -> None:
    first = [draw(0.5, 6, 7, step) for step in range(50)]
    assert [draw(0.5, 6, 7, step) for step in reversed(range(50))] == first[::-1]
    assert [draw(0.5, 6, 8, step) for step in range(50)] != first
    assert len(set(first)) > 20


def test_no_draw_is_empty() -> None:
    assert all(any(draw(0.05, 3, 0, step)) for step in range(500))


@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_draws_follow_the_conditional_distribution_of_independent_modules(rate: float) -> None:
    """Each of the 7 non-empty outcomes of 3 modules within 5 standard deviations of its probability."""
    count = 8000
    draws = [draw(rate, 3, 11, step) for step in range(count)]
    for outcome in itertools.product([False, True], repeat=3):
        share = sum(d == outcome for d in draws) / count
        if not any(outcome):
            assert share == 0
            continue
        probability = math.prod(rate if r else 1 - rate for r in outcome) / (1 - (1 - rate) ** 3)
        assert abs(share - probability) < 5 * math.sqrt(probability * (1 - probability) / count)


def test_rate_one_replaces_everything() -> None:
    assert all(draw(1.0, 4, 0, step) == (True,) * 4 for step in range(100))


def test_the_switch_counts_what_it_sets() -> None:
    modules = [module() for _ in range(3)]
    switch = Switch(modules, seed=5)
    total = 0
    for step in range(20):
        chosen = switch.set(0.5, step)
        assert tuple(m.replaced for m in modules) == chosen == draw(0.5, 3, 5, step)
        total += sum(chosen)
    assert switch.effective_rate == pytest.approx(total / 60)
