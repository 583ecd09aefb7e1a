"""A run that follows a loop of somebody else's: here, one that only counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, Gemma3ForCausalLM, Gemma3TextConfig

from tests.tiny import tiny_config
from theseus_plugin import UserError
from theseus_plugin.methods.replacing.follower import Follower, follower_options
from theseus_plugin.methods.replacing.switch import draw

SEED, MODULES, STEPS, REPLACING, PASSES = 5, 3, 6, 4, 2
SCHEDULE = {"name": "linear", "base_rate": 0.4, "slope": 0.15}  # 1 from step 4 on
REFUSALS = {name: f"no {name}" for name in ("clip_scope", "logits_share", "module_costs")}


def follower(**options: Any) -> Follower:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert"))
    given = {"successor_blocks": MODULES, "schedule": SCHEDULE, **options}
    return Follower(model, follower_options(given, where="", refusals=REFUSALS))


def begun(**options: Any) -> Follower:
    run = follower(**options)
    run.begin(STEPS, SEED)
    return run


def passes(run: Follower, until: int) -> list[tuple[float, list[bool], list[float | None]]]:
    """What a pass finds, in `PASSES` of them a step: the rate, what is replaced, and the mix."""
    found = []
    while run.step < until:
        for _ in range(PASSES):
            run.before_pass()
            modules = run.assembly.modules
            found.append((run.rate, [one.replaced for one in modules], [one.mix for one in modules]))
            run.micro_step += 1
        run.step += 1
    return found


def trained(run: Follower) -> set[str]:
    return {name for name, weight in run.assembly.successor.named_parameters() if weight.requires_grad}


def test_each_pass_has_its_draw_by_the_step_and_its_number() -> None:
    run = begun()
    assert run.rate == pytest.approx(0.4)
    found = passes(run, STEPS)
    for number, (rate, replaced, mix) in enumerate(found):
        expected = min(1.0, 0.4 + 0.15 * (number // PASSES))
        assert rate == pytest.approx(expected)
        assert replaced == list(draw(expected, MODULES, SEED, number))
        assert mix == [None] * MODULES
    assert all(replaced == [True] * MODULES for _, replaced, _ in found[REPLACING * PASSES :])
    drawn = [one for _, replaced, _ in found[: REPLACING * PASSES] for one in replaced]
    assert run.effective_rate == pytest.approx(sum(drawn) / len(drawn))


def test_the_mix_ends_with_the_replacing_phase() -> None:
    found = passes(begun(mixing="deterministic"), STEPS)
    shares = [mix for _, _, mix in found]
    assert shares[0] == [pytest.approx(0.4)] * MODULES
    assert shares[REPLACING * PASSES - 1] == [pytest.approx(0.85)] * MODULES
    assert shares[REPLACING * PASSES :] == [[None] * MODULES] * (STEPS - REPLACING) * PASSES


@pytest.mark.parametrize("scope", ["all", "blocks"])
def test_what_requires_a_gradient(scope: str) -> None:
    """At first what either phase trains, for the optimizer that is made next; then what the phase trains."""
    run = follower(successor_phase=scope)
    names = {name for name, _ in run.assembly.successor.named_parameters()}
    blocks = {name for name in names if ".encoder.layer." in name}
    afterwards = names if scope == "all" else blocks
    assert trained(run) == afterwards
    old = [weight for slot in run.assembly.slots for weight in slot.get_submodule("predecessor").parameters()]
    assert not any(weight.requires_grad for weight in old)
    run.begin(STEPS, SEED)
    passes(run, 1)
    assert run.phase is run.replacing
    assert trained(run) == blocks
    passes(run, STEPS)
    assert run.phase is run.following
    assert trained(run) == afterwards
    assert not any(weight.requires_grad for weight in old)


@pytest.mark.parametrize("at", [2, REPLACING, 5])
def test_a_run_goes_on_from_its_state(at: int) -> None:
    whole, first, second = begun(), begun(), begun()
    expected = passes(whole, STEPS)
    passes(first, at)
    second.restore(json.loads(json.dumps(first.state())))
    assert passes(second, STEPS) == expected[at * PASSES :]
    assert second.state() == whole.state()
    assert second.effective_rate == whole.effective_rate


def test_a_state_that_was_written_before_is_read() -> None:
    run = begun()
    run.restore({"step": 3, "micro_step": 6, "counts": {"decided": 18, "replaced": 13.0, "module_costs": []}})
    assert run.due is run.replacing
    assert run.effective_rate == 13 / 18
    run.before_pass()
    assert run.rate == pytest.approx(0.85)
    assert run.state() == {"step": 3, "micro_step": 6, "counts": {"decided": 21, "module_costs": [],
                           "replaced": 13.0 + sum(draw(0.85, MODULES, SEED, 6))}}  # fmt: skip


def test_before_it_begins_there_is_nothing_to_keep_and_it_can_begin_anew() -> None:
    run = follower()
    assert run.state() == {"step": 0, "micro_step": 0, "counts": {}}
    assert run.effective_rate == 0
    run.begin(STEPS, SEED + 1)
    passes(run, 3)
    run.begin(STEPS, SEED)
    assert passes(run, STEPS) == passes(begun(), STEPS)


def test_an_early_end_leaves_the_stock_successor() -> None:
    run = begun()
    passes(run, 1)
    successor = run.end()
    assert run.phase is run.following
    assert trained(run) == {name for name, _ in successor.named_parameters()}
    assert len(successor.bert.encoder.layer) == MODULES
    assert len(run.assembly.predecessor.bert.encoder.layer) == 0


@pytest.mark.parametrize("where", ["", "options"])
@pytest.mark.parametrize("option", [{"clip_scope": "all"}, {"logits_share": 0.5}, {"module_costs": True}])
def test_what_only_our_loop_can_do_is_refused(option: dict[str, Any], where: str) -> None:
    [name] = option
    with pytest.raises(UserError) as error:
        follower_options({"successor_blocks": MODULES, **option}, where, REFUSALS)
    assert str(error.value) == f"{where + '.' if where else ''}{name}: no {name}"


def test_kinds_that_do_not_keep_their_shares_are_told_of_in_the_users_own_line() -> None:
    """The fourth and the last of eight blocks are of another kind than the first three."""
    sizes = {"num_hidden_layers": 8, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    kinds = (["sliding_attention"] * 3 + ["full_attention"]) * 2
    config = Gemma3TextConfig(
        **sizes, num_key_value_heads=1, head_dim=8, vocab_size=60, sliding_window=4, layer_types=kinds
    )
    given = {"successor_blocks": 2, "initialisation": "first"}
    options = follower_options(given, where="", refusals=REFUSALS)

    class Host:
        def __init__(self) -> None:
            Follower(Gemma3ForCausalLM(config), options)

    with pytest.warns(UserWarning, match="kinds of blocks do not keep their shares: 2 of 6 sliding_attention") as told:
        Host()
    assert told[0].filename == __file__
    assert told[0].lineno > Host.__init__.__code__.co_firstlineno + 1  # not the host's line, but that of who made it
