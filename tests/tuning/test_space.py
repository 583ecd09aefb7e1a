from __future__ import annotations

from typing import Any

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.tuning.space import propose, put, search_space

RATE = "training.learning_rate"


def section(**more: Any) -> dict[str, Any]:
    return {"name": "theseus", "successor_blocks": 3, **more}


def test_the_methods_own_values_and_the_recipes_are_in_the_space() -> None:
    space, first = search_space(section(training={"learning_rate": 3e-4}), {})
    assert set(space) == {"schedule", RATE}
    assert space[RATE] == [3e-4, 2e-5, 5e-5, 1e-4, 2e-4, 4e-4]
    assert {"name": "linear", "base_rate": 0.1, "share": 0.3, "slope": None} in space["schedule"]
    assert first == {"schedule": space["schedule"][0], RATE: 3e-4}
    assert first["schedule"]["base_rate"] == 0.3


def test_a_value_that_is_there_already_counts_once() -> None:
    space, _ = search_space(section(training={"learning_rate": 1e-4}), {})
    assert space[RATE] == [1e-4, 2e-5, 5e-5, 2e-4, 4e-4]


def test_values_of_the_users_own() -> None:
    chosen = {RATE: ["1e-4"], "initialisation": ["last", "first"], "schedule": [{"name": "constant", "rate": 0.9}]}
    space, first = search_space({**section(), "name": "theseus"}, chosen)
    assert space[RATE] == [1e-4]  # YAML takes it for a text
    assert space["initialisation"] == ["last", "first"]
    assert space["schedule"] == [{"name": "constant", "rate": 0.9, "share": pytest.approx(1 / 3), "steps": None}]
    assert first["initialisation"] == "last"


def test_any_method_that_trains_has_a_learning_rate_to_search() -> None:
    space, _ = search_space({"name": "kd", "successor_blocks": 3}, {})
    assert set(space) == {RATE}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"training.learning_rat": [1]}, "'training.learning_rate'"),
        ({RATE: [-1]}, "method.training.learning_rate"),
        ({"schedule": [{"name": "linea"}]}, "did you mean 'linear'"),
    ],
)
def test_what_the_method_does_not_take_is_refused_before_any_trial(chosen: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        search_space(section(), chosen)


def test_put_leaves_the_original_alone() -> None:
    original = {"a": {"b": 1, "c": 2}}
    assert put(original, "a.b", 3) == {"a": {"b": 3, "c": 2}}
    assert put(original, "d.e", 4) == {"a": {"b": 1, "c": 2}, "d": {"e": 4}}
    assert original == {"a": {"b": 1, "c": 2}}


SPACE: dict[str, list[Any]] = {"x": [0, 1, 2, 3], "y": ["a", {"name": "b"}]}


def trial(x: int, y: Any, score: float | None) -> dict[str, Any]:
    return {"values": {"x": x, "y": y}, "score": score}


def test_every_combination_is_proposed_once_and_then_none() -> None:
    tried: list[dict[str, Any]] = []
    while (values := propose(SPACE, tried)) is not None:
        assert values not in [one["values"] for one in tried]
        tried.append({"values": values, "score": float(values["x"]) if values["x"] else None})
    assert len(tried) == 8


def test_the_same_trials_give_the_same_proposal() -> None:
    tried = [trial(0, "a", 0.1), trial(1, "a", None)]
    assert propose(SPACE, tried) == propose(SPACE, tried)


def test_proposals_follow_what_scored() -> None:
    wide: dict[str, list[Any]] = {"x": list(range(8)), "y": list(range(40))}
    tried: list[dict[str, Any]] = []
    for _ in range(40):
        values = propose(wide, tried)
        assert values is not None
        tried.append({"values": values, "score": float(values["x"] == 3)})
    late = [trial["score"] for trial in tried[20:]]
    assert sum(late) >= 10  # of 20 blind ones 2.5 would be right
