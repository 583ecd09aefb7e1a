import itertools

import pytest

from tests.measure.scripted import Machine, Process
from theseus_plugin.measure.interleaving import Rule, at_rest, time_batches
from theseus_plugin.measure.statistics import ratio


def rule_of(rounds, min_count, min_seconds=0, warmup_seconds=0, max_rounds=None, noise=0.01):
    return Rule(rounds, max_rounds or rounds, noise, min_seconds, min_count, warmup_seconds)


def test_order_phases_and_durations():
    machine = Machine()
    processes = [Process(machine, "a", 9, 0.5), Process(machine, "b", 8, 0.25)]
    rule = rule_of(rounds=3, min_seconds=1, min_count=3, warmup_seconds=1)
    first, second = time_batches(processes, [[{}], [{}]], rule)
    assert (first.load, first.first, first.warmup) == (1000, 9000, [500, 500])
    assert (second.first, second.warmup) == (8000, [250] * 4)
    assert first.rounds == [[500] * 3] * 3
    assert second.rounds == [[250] * 4] * 3
    order = [name for name, _ in itertools.groupby(machine.log)]
    assert order == ["a", "b", "a", "b", "a", "b"]  # warm-ups, then a b, b a, a b
    # the first call, the warm-up; then in each round one call that does not count before those that do
    a, b = "a" + "aaa", "b" + "bbbb"
    assert "".join(machine.log) == "aaa" + "bbbbb" + a + b + b + a + a + b


def test_a_machine_that_slows_down_changes_no_ratio():
    machine = Machine()

    class Drifting(Process):
        def ask(self, question, **details):
            if question == "burst":
                machine.slow *= 1.01
            return super().ask(question, **details)

    processes = [Drifting(machine, name, seconds) for name, seconds in (("a", 0.2), ("b", 0.1), ("again", 0.2))]
    rule = rule_of(rounds=16, min_count=3)
    a, b, again = time_batches(processes, [[{}]] * 3, rule)
    assert a.rounds[-1][0] > 1.4 * a.rounds[0][0]
    assert ratio(a.rounds, b.rounds)["median"] == pytest.approx(2, rel=1e-3)
    assert ratio(a.rounds, again.rounds)["median"] == pytest.approx(1, rel=1e-3)
    assert not ratio(a.rounds, again.rounds)["clear"]


def test_every_round_has_its_share_of_several_batches():
    machine, shares = Machine(), []

    class Noting(Process):
        def ask(self, question, **details):
            if question == "burst":
                shares.append(details["which"])
            return super().ask(question, **details)

    [timed] = time_batches([Noting(machine, "a", 0.1)], [[{}] * 5], rule_of(rounds=2, min_count=2))
    assert shares == [[0, 2, 4], [1, 3]]
    assert [len(calls) for calls in timed.rounds] == [6, 4]
    assert timed.warmup == [100] * 4  # each batch once; the first call is told apart
    shares.clear()
    time_batches([Noting(machine, "a", 0.1)], [[{}] * 2], rule_of(rounds=5, min_count=1))
    assert shares == [[0], [1], [0], [1], [0]]


class Restless(Process):
    """Takes as long as the next of `paces` says, burst by burst; the last one from then on."""

    def __init__(self, machine, name, *paces):
        super().__init__(machine, name, 0.1)
        self.machine, self.paces = machine, list(paces)

    def ask(self, question, **details):
        if question != "burst":
            return super().ask(question, **details)
        self.machine.slow = self.paces.pop(0) if len(self.paces) > 1 else self.paces[0]
        answer = super().ask(question, **details)
        self.machine.slow = 1
        return answer


@pytest.mark.parametrize(("restless_rounds", "expected"), [(0, 4), (4, None), (1000, 40)])
def test_rounds_go_on_until_the_control_is_at_rest(restless_rounds, expected):
    """The first model and its control disagree by 10 % this way and that for some rounds, then they agree."""
    machine = Machine()
    paces = [1.1 if at % 2 else 1 / 1.1 for at in range(restless_rounds)] + [1]
    models = [Process(machine, "a", 0.1), Process(machine, "b", 0.05), Restless(machine, "again", *paces)]
    a, _, again = time_batches(models, [[{}]] * 3, rule_of(rounds=4, max_rounds=40, min_count=1))
    assert len(a.rounds) == len(again.rounds)
    if expected:
        assert len(a.rounds) == expected
    else:
        assert 2 * restless_rounds < len(a.rounds) < 40
    low, high = ratio(a.rounds, again.rounds)["interval"]
    assert (high - low <= 0.02) == (restless_rounds < 1000)


def test_at_rest():
    assert at_rest({"median": 2, "interval": [1.99, 2.01]}, 0.01)
    assert not at_rest({"median": 2, "interval": [1.97, 2.0]}, 0.01)
