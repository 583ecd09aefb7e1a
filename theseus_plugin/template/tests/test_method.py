"""The method on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from theseus_plugin import UserError, compress


def recipe(checkpoint: str, classification: dict[str, Any], successor: Path, **options: Any) -> dict[str, Any]:
    return {
        "predecessor": checkpoint,
        "successor": str(successor),
        "task": classification,
        "method": {"name": "every-other", **options},
    }


def test_compress(checkpoint: str, classification: dict[str, Any], tmp_path: Path) -> None:
    result = compress(recipe(checkpoint, classification, tmp_path / "successor"))
    old, new = (load_file(Path(folder) / "model.safetensors") for folder in (checkpoint, result["output"]))
    blocks = "bert.encoder.layer"
    moved = {name.replace(f"{blocks}.1.", f"{blocks}.2."): weights for name, weights in new.items()}
    assert {name for name in moved if name.startswith(f"{blocks}.2.")}
    assert all(weights.equal(old[name]) for name, weights in moved.items())
    assert set(old) - set(moved) == {name for name in old if name.startswith((f"{blocks}.1.", f"{blocks}.3."))}
    assert result["parameters"]["after"] == sum(weights.numel() for weights in new.values())
    assert json.loads((tmp_path / "successor" / "result.json").read_text()) == result


def test_a_wrong_option_is_one_line(checkpoint: str, classification: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown key 'method\.evry': did you mean 'every'"):
        compress(recipe(checkpoint, classification, tmp_path / "successor", evry=3))
    assert not (tmp_path / "successor").exists()
