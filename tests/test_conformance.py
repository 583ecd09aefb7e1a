"""What every method gives for every architecture: a stock checkpoint that a process without us reads the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.stock_process import StockProcess
from tests.tiny import save_tiny
from theseus_plugin import compress, export
from theseus_plugin.errors import UserError
from theseus_plugin.surgery.stack import find_stacks
from theseus_plugin.training.resuming.snapshot import put_weights
from theseus_plugin.training.run import TrainingRun

METHODS: dict[str, dict[str, Any]] = {
    "theseus": {"successor_blocks": 3},
    "theseus, uneven": {"successor_blocks": 2, "partition": [4, 2], "schedule": {"name": "constant", "rate": 0.5}},
    "theseus, as the authors": {
        "successor_blocks": 3,
        "initialisation": "first",
        "successor_phase": "blocks",
        "clip_scope": "all",
    },
    "theseus, mixed": {"successor_blocks": 3, "mixing": "deterministic", "initialisation": "every-other"},
    "theseus, thinner": {"successor_blocks": 3, "intermediate_size": 40},
    "truncation": {"successor_blocks": 3, "initialisation": "every-other"},
    "kd": {"successor_blocks": 2, "intermediate_size": 40},
    "pkd": {"successor_blocks": 3},
    "tinybert": {"successor_blocks": 2, "partition": [2, 4]},
}
ONE_STACK = ("pkd", "tinybert")
"""Methods that refuse models with two."""
ARCHITECTURES = (
    *("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet", "deberta", "deberta-v2"),
    *("modernbert", "gpt2", "llama", "qwen2", "t5", "bart"),
)
"""Those that read text; `tests/methods/replacing/test_assembly.py` has more of each, and ViT."""
FULL = ("bert", "distilbert", "t5")
"""Those that go through every method; the others go through the first one."""
TEXTS = ["the film was good", "a bad movie", "good", "the the the movie was a film and bad of it"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (method, kind)
        for kind in ARCHITECTURES
        for method in METHODS
        if method == "theseus" or (kind in FULL and not (kind == "t5" and method in ONE_STACK))
    ],
)
def test_a_stock_checkpoint_comes_out(
    method: str,
    kind: str,
    tmp_path: Path,
    reviews: dict[str, Any],
    stock_process: StockProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # names of its own: a stock BART with the generic two would be read back with three
    names = {"id2label": {0: "0", 1: "1"}, "label2id": {"0": 0, "1": 1}}
    predecessor = save_tiny(tmp_path / "predecessor", kind, **names)
    inside: dict[str, Any] = {}
    publish = TrainingRun.publish

    def spy(self: TrainingRun, model: Any, outcome: Any, *more: Any) -> Any:
        """Logits of the training wrapper's own model, in eval mode, just before it is written."""
        put_weights(model, outcome.weights)
        batch = AutoTokenizer.from_pretrained(predecessor)(TEXTS, padding=True, return_tensors="pt")
        with torch.no_grad():
            inside["logits"] = model.eval()(**batch).logits.numpy()
        return publish(self, model, outcome, *more)

    monkeypatch.setattr(TrainingRun, "publish", spy)
    # one evaluation: an early one could tie, and keep weights that hardly moved
    training = {"max_steps": 6, "eval_steps": 6, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32"}
    result = compress(
        {
            "predecessor": str(predecessor),
            "successor": str(tmp_path / "successor"),
            "task": reviews,
            "method": {"name": method.split(",")[0], "training": training, **METHODS[method]},
        }
    )
    batch = dict(AutoTokenizer.from_pretrained(predecessor)(TEXTS, padding=True, return_tensors="np"))
    logits, parameters = stock_process.read(Path(result["output"]), "AutoModelForSequenceClassification", batch)
    np.testing.assert_allclose(logits, inside["logits"], atol=1e-6)
    assert parameters == result["parameters"]["after"] < result["parameters"]["before"]
    _holds_blocks_that_were_trained(Path(result["output"]), predecessor, METHODS[method])
    if method == "theseus":
        exported = export(result["output"], str(tmp_path / "onnx"))
        assert exported["parity"]["largest_difference"] < 1e-4


def _holds_blocks_that_were_trained(successor: Path, predecessor: Path, method: dict[str, Any]) -> None:
    new, old = load_file(successor / "model.safetensors"), load_file(predecessor / "model.safetensors")
    stacks = find_stacks(AutoModelForSequenceClassification.from_pretrained(successor))
    assert {stack.depth for stack in stacks} == {method["successor_blocks"]}
    kept = tuple(f"{stack.path}.{i}." for stack in stacks for i in range(stack.depth))
    all_blocks = tuple(f"{stack.path}." for stack in stacks)
    assert set(new) <= {name for name in old if name.startswith(kept) or not name.startswith(all_blocks)}
    changed = [name for name in new if name.startswith(kept) and not np.array_equal(new[name], old[name])]
    assert len(changed) > 4, "hardly anything was trained"


def test_shared_layers_are_refused(tmp_path: Path, reviews: dict[str, Any]) -> None:
    predecessor = save_tiny(tmp_path / "predecessor", "albert", embedding_size=16)
    with pytest.raises(UserError, match="'albert' cannot be compressed by replacing: its layers share one set"):
        compress(
            {
                "predecessor": str(predecessor),
                "successor": str(tmp_path / "successor"),
                "task": reviews,
                "method": {"name": "theseus", "successor_blocks": 3},
            }
        )
    assert [path.name for path in tmp_path.iterdir()] == ["predecessor"]


@pytest.mark.parametrize("method", ["theseus", "kd"])
def test_a_shape_that_does_not_fit_is_refused_before_any_example_is_read(recipe: dict[str, Any], method: str) -> None:
    recipe["task"] = {**recipe["task"], "train": "/no/such/train.csv"}
    recipe["method"] |= {"name": method, "successor_blocks": 4}
    with pytest.raises(UserError, match="6 predecessor blocks do not divide into 4 modules"):
        compress(recipe)


def test_the_output_folder_is_complete(recipe: dict[str, Any]) -> None:
    result = compress(recipe)
    folder = Path(result["output"])
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "result.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["recipe"]["task"]["train"] == recipe["task"]["train"]
    assert result["recipe"]["method"]["schedule"] == {
        "name": "linear", "base_rate": 0.3, "share": pytest.approx(1 / 3), "slope": None,
    }  # fmt: skip
    assert result["environment"]["seed"] == 3
    # the default schedule begins at 0.3, and empty draws are drawn again
    assert 0.3 < result["training"]["effective_rate"] < 1
    assert set(result["before"]) == set(result["after"]) == {"accuracy"}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n")
    assert f"{100 * result['after']['accuracy']:.2f}" in card
    assert not list(folder.parent.glob(".*partial*"))
