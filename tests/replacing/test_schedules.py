from __future__ import annotations

import pytest

from theseus_plugin.replacing.schedules import ConstantSchedule, LinearSchedule


def test_the_authors_linear_example_reaches_one_at_update_1167() -> None:
    schedule = LinearSchedule(base_rate=0.3, slope=6e-4)
    assert schedule.replacing_steps(5000) == 1167
    assert schedule.rate_at(0, 5000) == pytest.approx(0.3)
    assert schedule.rate_at(1000, 5000) == pytest.approx(0.9)
    assert schedule.rate_at(1166, 5000) < 1.0
    assert schedule.rate_at(1167, 5000) == 1.0


@pytest.mark.parametrize(("base", "slope", "steps"), [(0.3, 0.1, 7), (0.1, 0.3, 3), (0.5, 0.2, 3), (0.9, 0.01, 10)])
def test_a_slope_ends_the_replacing_phase_at_the_first_step_of_rate_one(base: float, slope: float, steps: int) -> None:
    schedule = LinearSchedule(base_rate=base, slope=slope)
    assert schedule.replacing_steps(100) == steps
    assert schedule.rate_at(steps - 1, 100) < 1 - 1e-9
    assert schedule.rate_at(steps, 100) == pytest.approx(1.0)


def test_linear_by_share() -> None:
    schedule = LinearSchedule(base_rate=0.2, share=0.5)
    assert schedule.replacing_steps(40) == 20
    assert [schedule.rate_at(step, 40) for step in (0, 10, 20, 39)] == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_constant() -> None:
    schedule = ConstantSchedule(rate=0.4, share=0.25)
    assert [schedule.rate_at(step, 8) for step in range(4)] == [0.4, 0.4, 1.0, 1.0]
    assert ConstantSchedule(rate=0.4, steps=2500).replacing_steps(4000) == 2500
    assert ConstantSchedule(rate=0.4, steps=2500).replacing_steps(1000) == 1000
