"""The fitter on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from theseus_plugin import UserError, fit


def recipe(checkpoint: str, classification: dict[str, Any], predecessor: Path, **options: Any) -> dict[str, Any]:
    training = {"max_steps": 3, "batch_size": 4, "learning_rate": 0.01, "precision": "fp32"}
    return {
        "model": checkpoint,
        "predecessor": str(predecessor),
        "task": classification,
        "fit": {"name": "linear-probe", **training, **options},
    }


def test_fit(checkpoint: str, classification: dict[str, Any], tmp_path: Path) -> None:
    result = fit(recipe(checkpoint, classification, tmp_path / "fitted"))
    old, new = (load_file(Path(folder) / "model.safetensors") for folder in (checkpoint, result["output"]))
    assert {name for name in new if not new[name].equal(old[name])} == {"classifier.weight", "classifier.bias"}
    assert result["recipe"]["fit"]["name"] == "linear-probe"
    assert json.loads((tmp_path / "fitted" / "result.json").read_text()) == result


def test_a_wrong_option_is_one_line(checkpoint: str, classification: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown key 'fit\.epoch': did you mean 'epochs'"):
        fit(recipe(checkpoint, classification, tmp_path / "fitted", epoch=3))
    assert not (tmp_path / "fitted").exists()
