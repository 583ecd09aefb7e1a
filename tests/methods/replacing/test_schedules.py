from __future__ import annotations

import math
from typing import Any

import pytest

from theseus_plugin.contract import Schedule
from theseus_plugin.errors import UserError
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.schedules import rate, replacing_steps
from theseus_plugin.plugins.registry import create


def schedule(name: str, **options: Any) -> Schedule:
    return create("schedule", name, options, where="schedule")


def test_the_authors_linear_example_reaches_one_at_update_1167() -> None:
    linear = schedule("linear", base_rate=0.3, slope=6e-4)
    assert replacing_steps(linear, 5000) == 1167
    assert rate(linear, 0, 5000) == pytest.approx(0.3)
    assert rate(linear, 1000, 5000) == pytest.approx(0.9)
    assert rate(linear, 1166, 5000) < 1.0
    assert rate(linear, 1167, 5000) == 1.0


@pytest.mark.parametrize(("base", "slope", "steps"), [(0.3, 0.1, 7), (0.1, 0.3, 3), (0.5, 0.2, 3), (0.9, 0.01, 10)])
def test_a_slope_ends_the_replacing_phase_at_the_first_step_of_rate_one(base: float, slope: float, steps: int) -> None:
    linear = schedule("linear", base_rate=base, slope=slope)
    assert replacing_steps(linear, 100) == steps
    assert rate(linear, steps - 1, 100) < 1 - 1e-9
    assert rate(linear, steps, 100) == 1.0


def test_linear_by_share() -> None:
    linear = schedule("linear", base_rate=0.2, share=0.5)
    assert replacing_steps(linear, 40) == 20
    assert [rate(linear, step, 40) for step in (0, 10, 20, 39)] == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_cosine_is_slow_at_both_ends() -> None:
    cosine = schedule("cosine", base_rate=0.2, share=0.5)
    assert replacing_steps(cosine, 40) == 20
    expected = [0.2 + 0.8 * (1 - math.cos(math.pi * step / 20)) / 2 for step in (0, 5, 10, 15, 20)]
    assert [rate(cosine, step, 40) for step in (0, 5, 10, 15, 20)] == pytest.approx(expected)
    assert rate(cosine, 10, 40) == pytest.approx(0.6)


def test_constant() -> None:
    constant = schedule("constant", rate=0.4, share=0.25)
    assert [rate(constant, step, 8) for step in range(4)] == [0.4, 0.4, 1.0, 1.0]
    assert replacing_steps(schedule("constant", rate=0.4, steps=2500), 4000) == 2500
    assert replacing_steps(schedule("constant", rate=0.4, steps=2500), 1000) == 1000
    assert replacing_steps(schedule("constant", rate=1.0), 1000) == 0


def test_anti_curriculum_falls_to_the_base_rate_and_is_one_then() -> None:
    falling = schedule("anti-curriculum", base_rate=0.2, share=0.5)
    assert [rate(falling, step, 40) for step in (0, 5, 10, 15, 20, 39)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 1.0, 1.0])
    assert replacing_steps(falling, 40) == 20  # up to the last rate below one, though the first is one


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5, math.nan])
def test_what_is_no_rate_is_refused(value: float) -> None:
    broken = schedule("anti-curriculum")
    broken.rate_at = lambda step, total: value  # type: ignore[method-assign]
    with pytest.raises(
        UserError,
        match=r"schedule 'anti-curriculum' of distribution 'theseus-plugin' gives the rate .* at step 3 of 10",
    ):
        rate(broken, 3, 10)


def test_a_recipe_names_a_schedule_with_its_options() -> None:
    config = TheseusConfig.model_validate({"successor_blocks": 3, "schedule": {"name": "cosine", "base_rate": 0.5}})
    assert config.schedule.name == "cosine"
    assert config.model_dump(mode="json")["schedule"] == {
        "name": "cosine", "base_rate": 0.5, "share": pytest.approx(1 / 3),
    }  # fmt: skip
    assert TheseusConfig.model_json_schema()["properties"]["schedule"]["required"] == ["name"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "linaer"}, "no schedule named 'linaer' is installed: did you mean 'linear'?"),
        ({"base_rate": 0.3}, "schedule.name is missing: choose one of anti-curriculum, constant, cosine, linear"),
        ({"name": "linear", "slop": 1}, "unknown key 'schedule.slop': did you mean 'slope'?"),
        ({"name": "constant", "rate": 0}, "schedule.rate: input should be greater than or equal to 0.01"),
    ],
)
def test_a_wrong_section_is_one_line(section: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        TheseusConfig.model_validate({"successor_blocks": 3, "schedule": section})
    assert str(caught.value).startswith(message)
