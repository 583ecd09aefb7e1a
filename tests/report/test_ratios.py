from __future__ import annotations

import pytest
from theseus_plugin.report.ratios import differs, noise


def timed(median: float, low: float, high: float, control: tuple[float, float] | None = None) -> dict:
    fast = {"median": median, "interval": [low, high], "clear": not low <= 1 <= high}
    return {"times_as_fast": fast, **({"control": {"interval": list(control)}} if control else {})}


def test_noise_is_how_far_the_control_reaches_either_way() -> None:
    assert noise(timed(2, 1.9, 2.1, (0.99, 1.03))) == pytest.approx(0.03)
    assert noise(timed(2, 1.9, 2.1, (0.8, 1.03))) == pytest.approx(0.25)
    assert noise(timed(2, 1.9, 2.1)) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (timed(2, 1.9, 2.1), True),
        (timed(0.5, 0.4, 0.6), True),
        (timed(1.1, 0.95, 1.2), False),  # the interval holds 1
        (timed(1.04, 1.02, 1.06, (0.95, 1.01)), False),  # within the noise of 5 %
        (timed(0.96, 0.95, 0.97, (0.95, 1.01)), False),
        (timed(0.94, 0.93, 0.95, (0.95, 1.01)), True),
        (timed(1.06, 1.02, 1.08, (0.95, 1.01)), True),
    ],
)
def test_what_is_a_difference(found: dict, expected: bool) -> None:
    assert differs(found) is expected


def test_too_few_rounds_make_nothing_clear() -> None:
    found = timed(2, 1.9, 2.1)
    found["times_as_fast"]["clear"] = False
    assert not differs(found)
