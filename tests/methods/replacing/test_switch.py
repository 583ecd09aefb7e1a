from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from theseus_plugin.methods.replacing.switch import ReplaceableModule, Slot, Switch, draw


class Add(nn.Module):
    """Adds a number, and what it is passed on."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, hidden: torch.Tensor, mask: float, *, extra: float = 0.0) -> torch.Tensor:
        return hidden + self.number + mask + extra


def run_of(*slots: tuple[nn.Module, nn.Module | None], **options: bool) -> tuple[ReplaceableModule, nn.Sequential]:
    """A module, and its slots in a row."""
    module = ReplaceableModule()
    last = len(slots) - 1
    return module, nn.ModuleList(
        Slot(module, old, new, first=i == 0, last=i == last, **options) for i, (old, new) in enumerate(slots)
    )


def through(slots: nn.ModuleList, hidden: torch.Tensor, *args: float, **kwargs: float) -> torch.Tensor:
    for slot in slots:
        hidden = slot(hidden, *args, **kwargs)
    return hidden


def test_runs_one_branch_and_passes_every_argument_on() -> None:
    module, slots = run_of((Add(1), Add(100)), (Add(10), None))
    hidden = torch.zeros(2, 3, 4)
    module.replaced = False
    assert torch.equal(through(slots, hidden, 0.5, extra=0.25), hidden + 11 + 2 * 0.75)
    module.replaced = True
    assert torch.equal(through(slots, hidden, 0.5, extra=0.25), hidden + 100.75)


def test_the_successor_may_run_at_any_place_and_there_may_be_several() -> None:
    for places in [(0, 1), (0, 2), (1, 2)]:
        _, slots = run_of(*[(Add(i), Add(100) if i in places else None) for i in range(3)])
        assert through(slots, torch.zeros(1), 0.0).item() == 200


def test_eval_runs_the_successor() -> None:
    module, slots = run_of((Add(1), Add(100)), (Add(10), None))
    module.replaced = False
    slots.eval()
    assert through(slots, torch.zeros(1), 0.0).item() == 100
    module.in_eval = False
    assert through(slots, torch.zeros(1), 0.0).item() == 11


class Tuples(Add):
    """Gives more than hidden states, as T5's blocks do."""

    def forward(self, hidden: torch.Tensor, mask: float) -> tuple[torch.Tensor, str]:  # type: ignore[override]
        return hidden + self.number, f"from {self.number}"


def test_what_comes_with_the_hidden_states_passes_the_empty_places() -> None:
    _, slots = run_of((Tuples(1), Tuples(100)), (Tuples(10), None))
    hidden, more = slots[1](slots[0](torch.zeros(1), 0.0)[0], 0.0)
    assert (hidden.item(), more) == (100, "from 100")


def test_a_place_before_the_successors_gives_what_a_block_gives() -> None:
    """As where kinds alternate in GPT-Neo: its model takes the first of what each block gives."""
    for old, new in ((Tuples(1), Tuples(100)), (Add(1), Add(100))):
        _, slots = run_of((old, None), (old, new))
        state = torch.get_rng_state()
        given = slots[0](torch.zeros(1), 0.0)
        assert isinstance(given, tuple) == isinstance(old, Tuples)
        assert torch.equal(given[0], torch.zeros(1)[0] if type(old) is Add else torch.zeros(1))
        assert len(given) == (2 if isinstance(old, Tuples) else 1)
        assert old.training
        assert torch.equal(state, torch.get_rng_state())


def test_the_mix_weighs_both_branches_of_what_came_in() -> None:
    module, slots = run_of((Add(1), None), (Add(10), Add(100)))
    module.mix = 0.25
    assert through(slots, torch.ones(1), 0.0).item() == 1 + 0.25 * 100 + 0.75 * 11
    slots.eval()
    assert through(slots, torch.ones(1), 0.0).item() == 101


def test_nothing_of_a_pass_is_held_after_it() -> None:
    module, slots = run_of((Add(1), Add(100)), (Add(10), None))
    through(slots, torch.zeros(1), 0.0)
    assert module.output is None


def test_a_slot_answers_for_its_block() -> None:
    _, slots = run_of((Add(7), Add(100)))
    assert slots[0].number == 7
    with pytest.raises(AttributeError, match="attention_type"):
        _ = slots[0].attention_type


def test_the_predecessors_dropout_is_a_choice() -> None:
    for dropout in (True, False):
        _, slots = run_of((nn.Dropout(), nn.Dropout()), predecessor_dropout=dropout)
        slots.train()
        assert slots[0].predecessor.training is dropout
        assert slots[0].successor.training


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
    modules = [ReplaceableModule() for _ in range(3)]
    switch = Switch(modules, seed=5)
    total = 0
    for step in range(20):
        chosen = switch.set(0.5, step)
        assert tuple(m.replaced for m in modules) == chosen == draw(0.5, 3, 5, step)
        total += sum(chosen)
    assert switch.effective_rate == pytest.approx(total / 60)


def test_the_deterministic_mix_draws_nothing() -> None:
    modules = [ReplaceableModule() for _ in range(3)]
    switch = Switch(modules, seed=5, mixing="deterministic")
    for rate in (0.2, 0.6):
        assert switch.set(rate, 0) == (True, True, True)
        assert [module.mix for module in modules] == [rate] * 3
    assert switch.effective_rate == pytest.approx(0.4)
