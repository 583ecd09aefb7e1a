import pytest

from tests.measure.scripted import NS, Machine, Runtime
from theseus_plugin.measure.worker import once, repeat, warm_up


def call(machine, *seconds):
    return Runtime(machine, "m", *seconds).bind({})


@pytest.mark.parametrize(("each", "count"), [(0.5, 4), (0.1, 20), (3, 3)])
def test_repeats_until_both_time_and_count_are_reached(each, count):
    machine = Machine()
    assert repeat([call(machine, each)], 2, 3, machine.clock) == [int(each * NS)] * count


def test_several_calls_are_repeated_in_whole_passes():
    machine = Machine()
    calls = [call(machine, 1), call(machine, 2)]
    assert repeat(calls, 4, 1, machine.clock) == [NS, 2 * NS] * 2
    assert repeat(calls, 0, 3, machine.clock) == [NS, 2 * NS] * 3
    assert once(calls, machine.clock) == [NS, 2 * NS]


def test_warm_up_ends_when_ten_calls_vary_little():
    machine = Machine()
    # 4.3 % and 4.4 % are steady, but the 2 s of the third call leave the last ten only with the 13th
    durations = warm_up(call(machine, 3, 2.5, 2, 1, 1.1, 1, 1.1, 1), 1000, machine.clock)
    assert len(durations) == 13
    assert durations[:4] == [3 * NS, int(2.5 * NS), 2 * NS, NS]


def test_warm_up_ends_at_its_time_where_calls_never_settle():
    machine = Machine()
    durations = warm_up(call(machine, *([1, 2] * 50)), 30, machine.clock)
    assert durations == [NS, 2 * NS] * 10
    assert warm_up(call(machine, 1), 0, machine.clock) == []
