"""What comes of a predecessor in bf16 or fp16 is saved as it was, and measured as it is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin import bench, compress, export, fit
from theseus_plugin.recipe import load_recipe
from theseus_plugin.training.publishing.rounding import precisions_of


def halved(folder: Path, dtype: torch.dtype, **options: Any) -> Path:
    """A tiny checkpoint as it is saved by a model in `dtype`."""
    save_tiny(folder, **options)
    AutoModelForSequenceClassification.from_pretrained(folder).to(dtype).save_pretrained(folder)
    return folder


def dtypes(folder: str) -> set[torch.dtype]:
    return {value.dtype for value in load_file(Path(folder) / "model.safetensors").values()}


def accuracy(folder: str, task: dict[str, Any]) -> float:
    """By the stock model in fp32 on what lies in the folder, one text at a time."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [line.rsplit(",", 1) for line in Path(task["validation"]).read_text().splitlines()[1:]]
    with torch.no_grad():
        right = [
            int(model(**tokenizer(text, return_tensors="pt")).logits.argmax()) == int(label) for text, label in rows
        ]
    return sum(right) / len(right)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["theseus", "truncation", "kd"])
def test_a_successor_is_saved_as_its_predecessor_was(
    method: str, dtype: torch.dtype, recipe: dict[str, Any], tmp_path: Path
) -> None:
    recipe["predecessor"] = str(halved(tmp_path / "half", dtype))
    recipe["method"]["name"] = method
    result = compress(recipe)
    folder = result["output"]
    assert dtypes(folder) == {dtype}
    assert json.loads(Path(folder, "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")
    assert AutoModelForSequenceClassification.from_pretrained(folder).dtype == dtype
    bytes_, whole = (Path(place, "model.safetensors").stat().st_size for place in (folder, recipe["predecessor"]))
    assert bytes_ < 0.7 * whole
    assert result["after"]["accuracy"] == pytest.approx(accuracy(folder, recipe["task"]))
    assert result["before"]["accuracy"] == pytest.approx(accuracy(recipe["predecessor"], recipe["task"]))
    # trained in fp32: steps far below what bf16 can hold have not been lost
    assert result["environment"]["precision"] == "fp32"


def test_the_metrics_are_those_of_the_rounded_weights(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regression shows every rounding: its predictions are numbers, not classes."""
    (tmp_path / "t.csv").write_text("text,score\n" + "".join(f"{'good ' * (i % 6)}film,{i % 6}\n" for i in range(30)))
    file = str(tmp_path / "t.csv")
    recipe["task"] = {"name": "text-regression", "train": file, "validation": file, "text": "text", "label": "score"}
    recipe["model"] = str(halved(tmp_path / "half", torch.bfloat16, layers=2, num_labels=1))
    recipe["predecessor"] = str(tmp_path / "fitted")
    result = fit(recipe)
    model = AutoModelForSequenceClassification.from_pretrained(result["output"], dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(result["output"])
    told, truth = [], []
    with torch.no_grad():
        for i in range(30):
            told.append(float(model(**tokenizer(f"{'good ' * (i % 6)}film", return_tensors="pt")).logits))
            truth.append(i % 6)
    expected = torch.corrcoef(torch.tensor([told, truth], dtype=torch.float64))[0, 1]
    assert result["after"]["pearson"] == pytest.approx(float(expected), rel=1e-3)
    best = max(evaluation["pearson"] for evaluation in result["training"]["evaluations"])
    assert result["after"]["pearson"] != pytest.approx(best, rel=1e-3)


def test_fit_keeps_what_its_model_is_saved_in(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The new head too; the model is an encoder, whose weights have shorter names."""
    save_tiny(tmp_path / "encoder", head=False, layers=2)
    weights = load_file(tmp_path / "encoder" / "model.safetensors")
    weights = {name: value if "LayerNorm" in name else value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(weights, tmp_path / "encoder" / "model.safetensors", metadata={"format": "pt"})
    recipe |= {"model": str(tmp_path / "encoder"), "predecessor": str(tmp_path / "fitted")}
    result = fit(recipe)
    saved = load_file(Path(result["output"]) / "model.safetensors")
    for name, value in saved.items():
        assert value.dtype == (torch.float32 if "LayerNorm" in name else torch.bfloat16), name
    assert json.loads(Path(result["output"], "config.json").read_text())["dtype"] == "bfloat16"
    successor = compress(load_recipe(recipe, ["method.successor_blocks=1"]))
    assert dtypes(successor["output"]) == {torch.float32, torch.bfloat16}
    assert successor["before"] == result["after"]


def test_weights_that_fp16_cannot_hold_are_saved_in_fp32(tmp_path: Path) -> None:
    precisions = precisions_of(str(halved(tmp_path / "half", torch.float16, layers=1)))
    wide = {"classifier.bias": torch.tensor([1e6, 0.1]), "ids": torch.arange(3)}
    assert {name: value.dtype for name, value in precisions.rounded(wide).items()} == {
        "classifier.bias": torch.float32,
        "ids": torch.int64,
    }
    assert precisions.rounded({"classifier.bias": torch.tensor([0.1, 0.2])})["classifier.bias"].dtype == torch.float16


@pytest.mark.usefixtures("warm_children")
def test_export_and_size_of_a_successor_in_bf16(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The export is in fp32 of the rounded weights."""
    recipe["predecessor"] = str(halved(tmp_path / "half", torch.bfloat16, layers=2))
    recipe["method"]["successor_blocks"] = 1
    result = compress(recipe)
    record = export(result["output"], str(tmp_path / "onnx"))
    assert record["parity"]["largest_difference"] < 1e-5
    rows = bench([result["output"], str(tmp_path / "onnx")], evaluators={"size": {}, "accuracy": {}})["models"]
    assert set(rows[0]["size"]["parameters_by_dtype"]) == {"bfloat16"}
    assert rows[0]["size"]["parameters"] == result["parameters"]["after"]
    for row in rows:
        assert row["accuracy"]["metrics"] == pytest.approx(result["after"])
