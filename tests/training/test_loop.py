"""The loop over a whole run: what is kept, and that the same seed gives the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.tiny import save_tiny
from theseus_plugin import compress, fit, load_recipe
from theseus_plugin.plugins.registry import create
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.evaluation import evaluate
from theseus_plugin.training.run import TrainingRun
from theseus_plugin.training.step import Stepper


def weights(result: Any) -> dict[str, np.ndarray]:
    return load_file(Path(result["output"]) / "model.safetensors")


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_best_evaluation_is_kept(recipe: dict[str, Any]) -> None:
    """In fp32 the metric of what was written is the best that was seen, and that of its step."""
    result = compress(recipe)
    seen = {e["step"]: e["accuracy"] for e in result["training"]["evaluations"]}
    assert list(seen) == [6, 12, 18, 24]
    assert result["after"]["accuracy"] == max(seen.values()) == seen[result["training"]["best_step"]]


def test_the_phases_share_the_steps(recipe: dict[str, Any]) -> None:
    recipe["method"]["schedule"] = {"name": "constant", "rate": 0.5, "share": 0.25}
    training = compress(recipe)["training"]
    assert [(p["name"], p["steps"]) for p in training["phases"]] == [("replacing", 6), ("successor", 18)]
    assert [(e["phase"], e["p"]) for e in training["evaluations"]] == [("replacing", 0.5)] + 3 * [("successor", 1.0)]


def test_the_same_seed_gives_the_same_weights_and_another_one_others(recipe: dict[str, Any]) -> None:
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        overrides = [f"successor={recipe['successor']}-{name}", f"method.training.seed={seed}"]
        results.append(weights(compress(load_recipe(recipe, overrides))))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_accumulated_batches_weigh_as_one(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On copies of one example, without dropout, 2 x 8 accumulated and 1 x 16 have the same first gradient."""
    (tmp_path / "same.csv").write_text("text,label\n" + "the film was good,1\n" * 64)
    still = save_tiny(tmp_path / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    recipe |= {
        "model": str(still),
        "task": recipe["task"] | {"train": str(tmp_path / "same.csv"), "labels": ["0", "1"]},
    }
    gradients: list[dict[str, np.ndarray]] = []
    update = Stepper.update

    def spy(self: Stepper, phase: Any) -> None:
        named = phase.model.named_parameters()
        gradients.append({name: p.grad.numpy().copy() for name, p in named if p.grad is not None})
        update(self, phase)

    monkeypatch.setattr(Stepper, "update", spy)
    for batch_size, accumulation in ((16, 1), (8, 2)):
        chosen = {"batch_size": batch_size, "gradient_accumulation": accumulation, "max_steps": 1}
        fit(recipe | {"predecessor": str(tmp_path / f"fit-{batch_size}"), "fit": recipe["fit"] | chosen})
    assert gradients[0].keys() == gradients[1].keys()
    for name in gradients[0]:
        np.testing.assert_allclose(gradients[0][name], gradients[1][name], rtol=1e-3, atol=1e-6)


def test_evaluation_sees_each_example_once_and_scores_by_the_task(recipe: dict[str, Any]) -> None:
    """Against a plain loop over single examples, without batching or padding."""
    import torch

    loaded = load_recipe(recipe)
    method = loaded.create_method()
    run = TrainingRun("x", recipe["predecessor"], recipe["successor"], loaded.create_task(), {}, method.config.training)
    model = run.load_model()
    told = evaluate(model, run.data, run.accelerator, batch_size=4)
    right = 0
    with torch.no_grad():
        for example in run.data.splits["validation"]:
            inputs = {k: torch.tensor([v]) for k, v in example.items() if k != "labels"}
            right += int(model(**inputs).logits.argmax()) == example["labels"]
    assert told == {"accuracy": pytest.approx(right / 29)}


def test_regression_trains(recipe: dict[str, Any], tmp_path: Path) -> None:
    rows = "".join(f"{'good ' * (i % 6)}film,{i % 6}\n" for i in range(60))
    (tmp_path / "scores.csv").write_text("text,score\n" + rows)
    file = str(tmp_path / "scores.csv")
    recipe["task"] = {"name": "text-regression", "train": file, "validation": file, "text": "text", "label": "score"}
    recipe["predecessor"] = str(tmp_path / "fitted")
    recipe["fit"] = recipe["fit"] | {"epochs": 10}
    fitted, compressed = fit(recipe), compress(recipe)
    assert fitted["after"]["pearson"] > 0.8
    assert set(compressed["after"]) == {"pearson", "spearman"}


def test_bf16_trains_and_saves_fp32(recipe: dict[str, Any]) -> None:
    result = compress(load_recipe(recipe, ["method.training.precision=bf16"]))
    assert result["environment"]["precision"] == "bf16"
    assert {value.dtype for value in weights(result).values()} == {np.dtype("float32")}


def test_fit_gives_what_compress_reads(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["predecessor"] = str(tmp_path / "fitted")
    recipe["fit"] = recipe["fit"] | {"epochs": 6}
    fitted = fit(recipe)
    assert fitted["after"]["accuracy"] > 0.9, "one word decides: easily learnt"
    assert fitted["recipe"]["fit"] == TrainingConfig(**recipe["fit"]).model_dump(mode="json"), "without a name"
    assert compress(recipe)["before"] == pytest.approx(fitted["after"])


def test_a_method_is_created_from_plain_options(recipe: dict[str, Any]) -> None:
    """As a toolkit does it: the registered class, a mapping, two folders."""
    options = {key: value for key, value in recipe["method"].items() if key != "name"}
    task = create("task", "text-classification", {k: v for k, v in recipe["task"].items() if k != "name"}, "task")
    record = create("method", "theseus", options, "method").compress(recipe["predecessor"], recipe["successor"], task)
    assert record["parameters"]["after"] < record["parameters"]["before"]
