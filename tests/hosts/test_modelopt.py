"""ModelOpt's modes from our wheel, beside the real ModelOpt, in a loop that is not ours."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from tests.environments import LayeredEnvironment
from tests.stock_process import StockProcess
from theseus_plugin.errors import UserError
from theseus_plugin.methods.replacing.switch import draw

SCRIPT = Path(__file__).with_name("modelopt_script.py")
# what `import modelopt.torch` imports and this environment may lack
PACKAGES = ["nvidia-modelopt", "omegaconf", "PuLP", "requests", "urllib3", "certifi", "charset-normalizer"]
STEPS, PASSES, SEED, BLOCKS = 12, 2, 5, 3


@dataclass
class Told:
    seen: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def told(wheel: Path, predecessor: Path, stock_process: StockProcess, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the script saw, and where it wrote."""
    environment = LayeredEnvironment(tmp_path_factory.mktemp("modelopt"), wheel, *PACKAGES, stock=stock_process)
    folder = tmp_path_factory.mktemp("written")
    process = environment.run_warm("python", SCRIPT, predecessor, folder, folder=folder)
    assert process.returncode == 0, process.stderr
    return Told(json.loads((folder / "seen.json").read_text()), folder)


def linear(step: int) -> float:
    """The rate by the schedule's defaults: from 0.3 to 1 over the first third of the steps."""
    return min(1.0, 0.3 + 0.7 * step / 4)


def test_the_rate_follows_the_optimizer_and_each_pass_has_its_draw(told: Told) -> None:
    """Neither an evaluation nor another optimizer's step counts."""
    expected = [list(draw(linear(i // PASSES), BLOCKS, SEED, i)) for i in range(STEPS * PASSES)]
    assert told.seen["draws"] == expected
    assert told.seen["rates"] == pytest.approx([linear(step) for step in range(STEPS)])
    assert not all(all(one) for one in expected[:8])
    assert all(all(one) for one in expected[8:])


def test_what_is_frozen_stays(told: Told) -> None:
    assert told.seen["embeddings_moved"] == [False] * 4 + [True] * 8
    assert told.seen["predecessor_kept"]


def test_the_successor_is_a_stock_checkpoint(told: Told) -> None:
    successor = AutoModelForSequenceClassification.from_pretrained(told.folder / "successor")
    assert len(successor.bert.encoder.layer) == BLOCKS
    with torch.no_grad():
        logits = successor.eval()(input_ids=torch.tensor(told.seen["words"])).logits
    torch.testing.assert_close(logits, torch.tensor(told.seen["logits"]))
    # no state of ModelOpt's, which would send whoever loads it to look for us
    assert sorted(path.name for path in (told.folder / "successor").iterdir()) == ["config.json", "model.safetensors"]


def test_resumed_from_modelopts_checkpoint_it_ends_with_the_same_weights(told: Told) -> None:
    assert told.seen["resumed_draws"] == told.seen["draws"]
    one, other = (load_file(told.folder / name / "model.safetensors") for name in ("successor", "resumed"))
    assert one.keys() == other.keys()
    assert all(weights.equal(other[name]) for name, weights in one.items())


def test_modelopt_quantizes_the_successor(told: Told) -> None:
    difference = np.abs(np.subtract(told.seen["quantized_logits"], told.seen["logits"]))
    assert 0 < difference.max() < 0.1


def test_mistakes_are_one_line(told: Told) -> None:
    refused = told.seen["refused"]
    parts = {
        "untrained": "no optimizer step has been seen",
        "option": "did you mean 'successor_blocks'?",
        "training": "options.training",
        "costs": "module_costs",
        "quantized before": "before other modes",
        "not of transformers": "not a Linear",
    }
    assert refused.keys() == parts.keys()
    for name, part in parts.items():
        assert part in refused[name]
        assert "\n" not in refused[name]


def test_without_modelopt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelopt", None)
    monkeypatch.delitem(sys.modules, "theseus_plugin.hosts.modelopt", raising=False)
    with pytest.raises(UserError, match=r"pip install 'theseus-plugin\[modelopt\]'"):
        importlib.import_module("theseus_plugin.hosts.modelopt")
