"""Stopped in either phase or killed between them, and taken up again, growing gives the same weights, bit for bit."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.clean_process import exit_code
from tests.seam.growing_phases import Small
from tests.training.dying import stopped_before
from theseus_plugin import UserError, fit, load_recipe


def die_between(recipe: dict[str, Any], site: Path) -> None:
    """What a process does that kills itself after the last step of the first phase."""
    sys.path.insert(0, str(site))
    Small.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    fit(recipe)


def assert_resumed_as_whole(recipe: dict[str, Any], last: int) -> None:
    again = fit(load_recipe(recipe, ["fit.resume=true"]))
    whole = fit(load_recipe(recipe, [f"predecessor={recipe['predecessor']}-whole"]))
    assert again["training"]["resumed_at"] == [last]
    assert again["training"]["evaluations"] == whole["training"]["evaluations"]
    assert again["training"]["best_step"] == whole["training"]["best_step"] > 12
    assert [phase["name"] for phase in again["training"]["phases"]] == ["small", "grown"]
    assert again["after"] == whole["after"]
    ours, theirs = (load_file(Path(result["output"]) / "model.safetensors") for result in (again, whole))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize(
    ("step", "last"),
    [
        (7, 4),  # while one block is trained
        (12, 12),  # two blocks are there, and moments were carried to them, but nothing was saved since
        (14, 12),
        (19, 16),  # while two are trained
    ],
)
def test_stopped_and_resumed_it_is_bit_for_bit_the_same(step: int, last: int, growing: dict[str, Any]) -> None:
    with stopped_before(step):
        fit(growing)
    assert_resumed_as_whole(growing, last)


def test_killed_between_the_phases(growing: dict[str, Any], growing_site: Path) -> None:
    assert exit_code(die_between, growing, growing_site) == -signal.SIGKILL
    assert_resumed_as_whole(growing, 12)


def test_other_examples_of_a_phase_are_refused(growing: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe says the same: they are cut elsewhere by the plugin itself."""
    from tests.seam import growing_phases

    with stopped_before(7):
        fit(growing)
    cut = growing_phases.shorter
    monkeypatch.setattr(growing_phases, "shorter", lambda data, tokens: cut(data, tokens - 1))
    with pytest.raises(UserError, match="have changed since: the examples of train in the phase small; continue"):
        fit(load_recipe(growing, ["fit.resume=true"]))
