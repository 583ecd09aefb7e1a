import pytest

from tests.measure.scripted import Machine, Process
from theseus_plugin.measure.rounds import Rule, Timed, at_rest, race, time_batches
from theseus_plugin.measure.statistics import ratio


def rule_of(rounds, min_count, settle_seconds=0, min_seconds=0, warmup_seconds=0, runs=1, max_runs=1, noise=0.01):
    return Rule(rounds, runs, max_runs, noise, settle_seconds, min_seconds, min_count, warmup_seconds)


def test_order_phases_and_durations():
    machine = Machine()
    processes = [Process(machine, "a", 9, 0.5), Process(machine, "b", 8, 0.25)]
    rule = rule_of(rounds=2, settle_seconds=0.5, min_seconds=1, min_count=3, warmup_seconds=1)
    first, second = time_batches(processes, [[{}], [{}]], rule)
    assert (first.load, first.first, first.warmup) == (1000, 9000, [500, 500])
    assert (second.first, second.warmup) == (8000, [250] * 4)
    assert first.rounds == [[500] * 3 * 2] * 2
    assert second.rounds == [[250] * 4 * 2] * 2
    # the first call, the warm-up; then forth and back in each round, with calls that do not count before those that do
    a, b = "a" + "aaa", "bb" + "bbbb"
    assert "".join(machine.log) == "aaa" + "bbbbb" + (a + b + b + a) * 2


def test_a_machine_that_slows_down_changes_no_ratio():
    machine = Machine()

    class Drifting(Process):
        def ask(self, question, **details):
            if question == "burst":
                machine.slow *= 1.005
            return super().ask(question, **details)

    processes = [Drifting(machine, name, seconds) for name, seconds in (("a", 0.2), ("b", 0.1), ("again", 0.2))]
    rule = rule_of(rounds=16, min_count=3)
    a, b, again = time_batches(processes, [[{}]] * 3, rule)
    assert a.rounds[-1][0] > 1.4 * a.rounds[0][0]
    assert max(ratio(a.rounds, again.rounds)["rounds"]) < 1.001  # each round's drift is the same for both
    assert ratio(a.rounds, b.rounds)["median"] == pytest.approx(2, rel=1e-3)
    assert ratio(a.rounds, again.rounds)["median"] == pytest.approx(1, rel=1e-3)


def test_every_round_has_its_share_of_several_batches():
    machine, shares = Machine(), []

    class Noting(Process):
        def ask(self, question, **details):
            if question == "burst":
                shares.append(details["which"])
            return super().ask(question, **details)

    [timed] = time_batches([Noting(machine, "a", 0.1)], [[{}] * 5], rule_of(rounds=2, min_count=2))
    assert shares == [[0, 2, 4], [0, 2, 4], [1, 3], [1, 3]]
    assert [len(calls) for calls in timed.rounds] == [12, 8]
    assert timed.warmup == [100] * 4  # each batch once; the first call is told apart
    shares.clear()
    time_batches([Noting(machine, "a", 0.1)], [[{}] * 2], rule_of(rounds=5, min_count=1))
    assert shares[::2] == shares[1::2] == [[0], [1], [0], [1], [0]]


def of(*rounds):
    """A model's run: bursts of one call each."""
    return Timed(1, 2, [3], [[ms] for ms in rounds])


@pytest.mark.parametrize(("restless_runs", "expected"), [(0, 2), (3, None), (1000, 12)])
def test_runs_go_on_until_the_control_is_at_rest(restless_runs, expected):
    """Control and first model differ by 10 % this way and that in the first runs, then they agree."""
    orders = []

    def measure(order):
        orders.append(list(order))
        restless = (len(orders) + 1) // 2 <= restless_runs
        own = [of(10, 10, 10, 10), of(5, 5, 5, 5), of(*([11, 9, 11, 9] if restless else [10] * 4))]
        return [own[at] for at in order]

    first, other, control = race(measure, 3, rule_of(rounds=4, min_count=1, runs=2, max_runs=12))
    runs = len(orders) // 2
    assert orders == [[0, 1, 2], [2, 1, 0]] * runs
    assert len(first.rounds) == len(control.rounds) == 4 * 2 * runs
    assert runs == expected if expected else 3 < runs < 12
    assert at_rest(ratio(first.rounds, control.rounds), 0.01) == (restless_runs < 1000)
    assert other.rounds == [[5]] * 4 * 2 * runs


def test_what_the_order_of_starting_does_cancels():
    """Each process is 2 % faster than the one started before it."""
    takes = [10.0, 5.0, 10.0]

    def measure(order):
        return [of(*[takes[at] * 0.98**place] * 4) for place, at in enumerate(order)]

    first, other, control = race(measure, 3, rule_of(rounds=4, min_count=1))
    assert ratio(first.rounds, control.rounds)["median"] == pytest.approx(1, abs=1e-3)
    assert ratio(first.rounds, other.rounds)["median"] == pytest.approx(2, rel=1e-3)


def test_what_happens_once_in_a_process_is_told_as_its_median():
    made = iter([[Timed(load, first, [first], [[1]])] * 2 for load, first in ((10, 5), (30, 4), (11, 9), (12, 9))])
    joined, _ = race(lambda order: next(made), 2, rule_of(rounds=1, min_count=1, runs=2, max_runs=2))
    assert (joined.load, joined.first, joined.warmup, joined.rounds) == (11.5, 7, [5], [[1]] * 4)


def test_at_rest():
    assert at_rest({"median": 2, "interval": [1.99, 2.01]}, 0.01)
    assert not at_rest({"median": 2, "interval": [1.97, 2.0]}, 0.01)
