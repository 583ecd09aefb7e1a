import itertools

import pytest

from tests.measure.scripted import Machine, Process
from theseus_plugin.measure.interleaving import Rule, time_batches
from theseus_plugin.measure.statistics import ratio


def test_order_phases_and_durations():
    machine = Machine()
    processes = [Process(machine, "a", 9, 0.5), Process(machine, "b", 8, 0.25)]
    rule = Rule(rounds=3, min_seconds=1, min_count=3, warmup_seconds=1)
    first, second = time_batches(processes, [[{}], [{}]], rule)
    assert (first.load, first.first, first.warmup) == (1000, 9000, [500, 500])
    assert (second.first, second.warmup) == (8000, [250] * 4)
    assert first.rounds == [[500] * 3] * 3
    assert second.rounds == [[250] * 4] * 3
    order = [name for name, _ in itertools.groupby(machine.log)]
    assert order == ["a", "b", "a", "b", "a", "b"]  # warm-ups, then a b, b a, a b
    assert "".join(machine.log) == "aaa" + "bbbbb" + "aaa" + "bbbbbbbb" + "aaaaaa" + "bbbb"


def test_a_machine_that_slows_down_changes_no_ratio():
    machine = Machine()

    class Drifting(Process):
        def ask(self, question, **details):
            if question == "burst":
                machine.slow *= 1.01
            return super().ask(question, **details)

    processes = [Drifting(machine, name, seconds) for name, seconds in (("a", 0.2), ("b", 0.1), ("again", 0.2))]
    rule = Rule(rounds=16, min_seconds=0, min_count=3, warmup_seconds=0)
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

    [timed] = time_batches([Noting(machine, "a", 0.1)], [[{}] * 5], Rule(2, 0, 2, 9))
    assert shares == [[0, 2, 4], [1, 3]]
    assert [len(calls) for calls in timed.rounds] == [6, 4]
    assert timed.warmup == [100] * 4  # each batch once; the first call is told apart
    shares.clear()
    time_batches([Noting(machine, "a", 0.1)], [[{}] * 2], Rule(5, 0, 1, 9))
    assert shares == [[0], [1], [0], [1], [0]]
