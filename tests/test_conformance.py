"""What every method gives for every architecture: a stock checkpoint that a process without us reads the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin import compress
from theseus_plugin.surgery.stack import SUPPORTED
from theseus_plugin.training.run import TrainingRun

METHODS: dict[str, dict[str, Any]] = {
    "theseus": {"successor_blocks": 3},
    "theseus, uneven": {"successor_blocks": 2, "partition": [4, 2], "schedule": {"name": "constant", "rate": 0.5}},
    "theseus, as the authors": {"successor_blocks": 3, "successor_phase": "blocks", "clip_scope": "all"},
}
TEXTS = ["the film was good", "a bad movie", "good", "the the the movie was a film and bad of it"]

FRESH_PROCESS = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
batch = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    logits = model(**batch).logits.tolist()
assert not any(name.startswith("theseus_plugin") for name in sys.modules)
print(json.dumps({"logits": logits, "layers": model.config.num_hidden_layers, "kind": type(model).__name__}))
"""


@pytest.mark.parametrize("kind", sorted(SUPPORTED))
@pytest.mark.parametrize("method", METHODS)
def test_a_stock_checkpoint_comes_out(
    method: str, kind: str, tmp_path: Path, reviews: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind in {"camembert", "xlm-roberta", "electra"} and method != "theseus":
        pytest.skip("same modelling code as RoBERTa and BERT: once is enough")
    predecessor = save_tiny(tmp_path / "predecessor", kind)
    inside: dict[str, Any] = {}
    publish = TrainingRun.publish

    def spy(self: TrainingRun, model: Any, outcome: Any, before: Any, details: Any = None) -> Any:
        """Logits of the training wrapper's own model, in eval mode, just before it is written."""
        model.load_state_dict(outcome.weights)
        batch = AutoTokenizer.from_pretrained(predecessor)(TEXTS, padding=True, return_tensors="pt")
        with torch.no_grad():
            inside["logits"] = model.eval()(**batch).logits.numpy()
        return publish(self, model, outcome, before, details)

    monkeypatch.setattr(TrainingRun, "publish", spy)
    # one evaluation: an early one could tie, and keep weights that hardly moved
    training = {"max_steps": 6, "eval_steps": 6, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32"}
    result = compress(
        {
            "predecessor": str(predecessor),
            "successor": str(tmp_path / "successor"),
            "task": reviews,
            "method": {"name": "theseus", "training": training, **METHODS[method]},
        }
    )
    blocks = METHODS[method]["successor_blocks"]
    process = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, result["output"], json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    fresh = json.loads(process.stdout)
    np.testing.assert_allclose(fresh["logits"], inside["logits"], atol=1e-6)
    assert fresh["layers"] == blocks
    _holds_nothing_of_the_predecessors_blocks(
        Path(result["output"]), predecessor, blocks, result["parameters"]["after"]
    )


def _holds_nothing_of_the_predecessors_blocks(successor: Path, predecessor: Path, blocks: int, parameters: int) -> None:
    new, old = load_file(successor / "model.safetensors"), load_file(predecessor / "model.safetensors")
    per_block = sum(v.size for k, v in old.items() if ".layer.0." in k)
    assert (
        sum(v.size for v in new.values()) == parameters == sum(v.size for v in old.values()) - (6 - blocks) * per_block
    )
    assert set(new) == {k for k in old if not any(f".layer.{i}." in k for i in range(blocks, 6))}
    changed = [k for k in new if ".layer." in k and not np.array_equal(new[k], old[k])]
    assert changed, "nothing was trained"


def test_the_output_folder_is_complete(recipe: dict[str, Any]) -> None:
    result = compress(recipe)
    folder = Path(result["output"])
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "result.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["recipe"]["task"]["train"] == recipe["task"]["train"]
    assert result["recipe"]["method"]["schedule"] == {
        "name": "linear", "base_rate": 0.3, "share": pytest.approx(2 / 3), "slope": None,
    }  # fmt: skip
    assert result["environment"]["seed"] == 3
    # the default schedule begins at 0.3, and empty draws are drawn again
    assert 0.3 < result["training"]["effective_rate"] < 1
    assert set(result["before"]) == set(result["after"]) == {"accuracy"}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n")
    assert f"{100 * result['after']['accuracy']:.2f}" in card
    assert not list(folder.parent.glob(".*partial*"))
