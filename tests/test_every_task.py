"""Every head goes the whole way: fit, compress where the architecture is known, export with parity, bench."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tests.tiny import save_decoder, save_tiny, save_vit
from tests.toy_data import task_section
from theseus_plugin import bench, compress, export, fit
from theseus_plugin.contract import TaskData
from theseus_plugin.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("warm_children")
TRAINING = {"epochs": 2, "batch_size": 8, "eval_steps": 5, "learning_rate": 2e-3, "precision": "fp32"}
AUTO = {
    "token-classification": "AutoModelForTokenClassification",
    "masked-lm": "AutoModelForMaskedLM",
    "causal-lm": "AutoModelForCausalLM",
    "image-classification": "AutoModelForImageClassification",
    "text-classification": "AutoModelForSequenceClassification",
}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Task sections of recipes on toy data."""
    folder = tmp_path_factory.mktemp("data")
    return {name: task_section(name, folder, 48 if name != "image-classification" else 12, 28) for name in AUTO}


def fitted(tmp_path: Path, model: Path, name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    recipe = {
        "model": str(model),
        "predecessor": str(tmp_path / "predecessor"),
        "successor": str(tmp_path / "successor"),
        "task": options,
        "fit": TRAINING,
        "method": {"name": "theseus", "successor_blocks": 2, "training": TRAINING},
    }
    return fit(recipe), recipe


def halved(recipe: dict[str, Any]) -> Any:
    """The successor of one block of two."""
    result = compress(load_recipe(recipe, ["method.successor_blocks=1"]))
    assert result["parameters"]["after"] < result["parameters"]["before"]
    return result


def stock_scores(folder: str, data: TaskData, name: str) -> dict[str, float]:
    """Scores by the stock model, one example at a time: no padding, no batch."""
    model = getattr(transformers, AUTO[name]).from_pretrained(folder).eval()
    rows = []
    with torch.no_grad():
        for at in range(len(data.splits["validation"])):
            batch = data.collate([data.splits["validation"][at]])
            labels = batch.pop("labels")
            logits = model(**{key: torch.from_numpy(array) for key, array in batch.items()}).logits.numpy()
            rows.append(data.reduced(logits, labels))
    return data.score(*map(np.concatenate, zip(*rows, strict=True)))


def checked(tmp_path: Path, result: Any, name: str) -> dict[str, Any]:
    """What was written is a stock checkpoint with these scores, and so is its export; gives the bench records."""
    folder = result["output"]
    data = load_recipe({"task": result["recipe"]["task"]}).create_task().load(folder, ("validation",))
    expected = stock_scores(folder, data, name)
    assert result["after"] == pytest.approx(expected, rel=1e-4)
    record = export(folder, str(tmp_path / "onnx"), tolerance=1e-5)
    assert record["parity"]["largest_difference"] <= 1e-5
    assert abs(record["parity"]["metric_difference"]) < 1e-3
    models = [str(tmp_path / "onnx"), *([folder] if name in ("masked-lm", "image-classification") else [])]
    rows = bench(models, evaluators={"accuracy": {"batch_size": 4}, "size": {}})["models"]
    for row in rows:
        assert row["accuracy"]["metrics"] == pytest.approx(expected, rel=1e-4)
        assert row["accuracy"]["examples"] == len(data.splits["validation"])
        low, high = row["accuracy"]["intervals"][data.metric]
        assert low <= row["accuracy"]["metrics"][data.metric] <= high
    return record


@pytest.mark.parametrize("name", ["token-classification", "masked-lm"])
def test_an_encoder_is_fitted_compressed_exported_and_measured(
    name: str, tmp_path: Path, tasks: dict[str, dict[str, Any]]
) -> None:
    """From an encoder without a head."""
    encoder = save_tiny(tmp_path / "encoder", head=False, layers=4)
    result, recipe = fitted(tmp_path, encoder, name, tasks[name])
    assert result["before"] == {}
    seen = [evaluation[result["metric"]] for evaluation in result["training"]["evaluations"]]
    best = min(seen) if name == "masked-lm" else max(seen)
    assert result["after"][result["metric"]] == pytest.approx(best, rel=1e-5)
    assert result["lower_is_better"] == (["perplexity"] if name == "masked-lm" else [])
    successor = compress(recipe)
    assert successor["before"] == pytest.approx(result["after"], rel=1e-5)
    checked(tmp_path, successor, name)
    card = (tmp_path / "successor" / "README.md").read_text()
    assert f"AutoTokenizer\n\nmodel = {type(_stock(successor, name)).__name__}" in card
    value = successor["after"]["perplexity" if name == "masked-lm" else "f1"]
    assert f"{value if name == 'masked-lm' else 100 * value:.2f} |" in card


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
def test_a_decoder_learns_the_next_token(architecture: str, tmp_path: Path, tasks: dict[str, dict[str, Any]]) -> None:
    result, recipe = fitted(
        tmp_path, save_decoder(tmp_path / "m", architecture, "CausalLM"), "causal-lm", tasks["causal-lm"]
    )
    evaluations = [evaluation["perplexity"] for evaluation in result["training"]["evaluations"]]
    assert result["after"]["perplexity"] == pytest.approx(min(evaluations), rel=1e-5)
    assert evaluations[-1] < evaluations[0]
    record = checked(tmp_path, halved(recipe), "causal-lm")
    assert record["inputs"] == ["input_ids", "attention_mask"]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "t5", "bart"])
def test_decoders_and_encoder_decoders_classify_texts(
    architecture: str, tmp_path: Path, tasks: dict[str, dict[str, Any]]
) -> None:
    """GPT-2, Llama and Qwen2 come without a padding token; padding in a batch changes none of their answers."""
    head = "SequenceClassification" if architecture in ("t5", "bart") else "CausalLM"
    model = save_decoder(tmp_path / "m", architecture, head)
    result, recipe = fitted(tmp_path, model, "text-classification", tasks["text-classification"])
    config = json.loads(Path(result["output"], "config.json").read_text())
    assert config["pad_token_id"] is not None
    checked(tmp_path, halved(recipe), "text-classification")


def test_images_are_classified(tmp_path: Path, tasks: dict[str, dict[str, Any]]) -> None:
    _, recipe = fitted(tmp_path, save_vit(tmp_path / "m"), "image-classification", tasks["image-classification"])
    result = halved(recipe)
    folder = Path(result["output"])
    assert (folder / "preprocessor_config.json").is_file()
    assert not (folder / "tokenizer.json").exists()
    assert 'processor = AutoImageProcessor.from_pretrained("path' in (folder / "README.md").read_text()
    record = checked(tmp_path, result, "image-classification")
    assert record["inputs"] == ["pixel_values"]
    assert (tmp_path / "onnx" / "preprocessor_config.json").is_file()


def test_images_are_timed_in_batches_and_alone(tmp_path: Path, tasks: dict[str, dict[str, Any]]) -> None:
    """Shapes with a length stand for their batch size, each once; there are no strings to begin with."""
    model = save_vit(tmp_path / "m", num_labels=2, id2label={0: "0", 1: "1"})
    task = {"task": tasks["image-classification"]}
    export(str(model), str(tmp_path / "onnx"), task)
    once = {"rounds": 1, "max_runs": 1, "min_seconds": 0.01, "warmup_seconds": 0.05}
    latency = {**once, "task_examples": 4, "shapes": ["1x16", "1x64", "8x64"]}
    [row] = bench([str(tmp_path / "onnx")], task, evaluators={"latency": latency, "memory": {}})["models"]
    assert set(row["latency"]["shapes"]) == {"1", "8"}
    assert row["latency"]["task"]["examples"] == 4
    assert "end_to_end" not in row["latency"]
    assert row["memory"]["shape"] == "32"
    assert row["memory"]["peak_bytes"] is None or row["memory"]["peak_bytes"] > 0


def test_perplexity_in_eight_bits_is_gated_by_per_cent(tmp_path: Path, tasks: dict[str, dict[str, Any]]) -> None:
    model = save_tiny(tmp_path / "m", head="MaskedLM", layers=2)
    task = {"task": tasks["masked-lm"]}
    record = export(str(model), str(tmp_path / "onnx"), task, precision="int8-dynamic", max_drop=50.0)
    gate = record["stages"][-1]["gate"]
    assert gate["drop"] == pytest.approx(100 * (gate["after"] / gate["before"] - 1))
    assert gate["lower_is_better"] == ["perplexity"]
    assert math.isfinite(gate["after"])


def _stock(result: Any, name: str) -> Any:
    return getattr(transformers, AUTO[name]).from_pretrained(result["output"])
