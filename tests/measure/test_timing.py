import pytest

from theseus_plugin.measure.statistics import summary, times_as_fast
from theseus_plugin.measure.timing import NS, Rule, measure, repeat, schedule


class Machine:
    """A clock and a call whose durations, in seconds, are written down in advance; the last one goes on."""

    def __init__(self, *seconds):
        self.seconds = list(seconds)
        self.now = 0
        self.calls = 0

    def clock(self):
        return self.now

    def call(self):
        self.calls += 1
        self.now += int(NS * (self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]))


@pytest.mark.parametrize(("each", "count"), [(0.5, 4), (0.1, 20), (3, 3)])
def test_repeats_until_both_time_and_count_are_reached(each, count):
    machine = Machine(each)
    assert repeat(machine.call, 2, 3, machine.clock) == [int(each * NS)] * count


def test_first_call_and_warmup_are_not_among_the_steady_calls():
    machine = Machine(9, 4, 3, 1)
    first, steady = measure(machine.call, Rule(min_seconds=2, min_count=5, warmup_seconds=6), machine.clock)
    assert first == 9 * NS
    assert steady == [NS] * 5
    assert machine.calls == 1 + 2 + 5


def test_every_second_round_runs_backwards():
    assert schedule(3, 3) == [0, 1, 2, 2, 1, 0, 0, 1, 2]


def test_summary_of_scripted_rounds():
    record = summary([[10, 12, 14], [11, 13, 30], [9, 10, 11]])
    assert record["median_ms"] == 11
    assert record["mad_ms"] == 1  # deviations 1 1 3 0 2 19 2 1 0
    assert record["count"] == 9
    assert record["round_medians_ms"] == [12, 13, 10]
    assert record["spread"] == pytest.approx(3 / 12)


def test_p90_only_where_there_are_calls_enough_for_it():
    assert "p90_ms" not in summary([[1.0] * 63])
    assert summary([list(range(1, 102))])["p90_ms"] == 91


def test_ratios_are_taken_within_a_round():
    # the machine slows down to a third for the second round: the ratio does not notice
    fast = times_as_fast([[10, 10], [30, 30], [12, 12]], [[5, 5], [15, 15], [4, 4]])
    assert fast == {"rounds": [2, 2, 3], "median": 2, "min": 2, "max": 3}
