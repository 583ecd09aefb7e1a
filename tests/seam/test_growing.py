"""A fitter of a third party that grows a model while it trains: each thing that a phase may have of its own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from tests.seam.growing_phases import Grown
from tests.stock_process import StockProcess
from theseus_plugin import fit, load_recipe
from theseus_plugin.training import loop
from theseus_plugin.training.moments import Moments
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.step import Stepper


def grown_from(name: str) -> str:
    return name.replace("encoder.layer.1.", "encoder.layer.0.")


def test_it_is_named_in_a_recipe_and_gives_a_stock_checkpoint_of_two_blocks(
    growing: dict[str, Any], stock_process: StockProcess
) -> None:
    result = fit(growing)
    assert (result["kind"], result["recipe"]["fit"]["name"]) == ("fit", "growing")
    assert result["recipe"]["fit"]["short"] == 6
    assert [(phase["name"], phase["steps"]) for phase in result["training"]["phases"]] == [("small", 12), ("grown", 12)]
    folder = Path(result["output"])
    with Path(growing["task"]["validation"]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    batch = AutoTokenizer.from_pretrained(folder)([row["text"] for row in rows], padding=True, return_tensors="np")
    logits, parameters = stock_process.read(folder, "AutoModelForSequenceClassification", dict(batch))
    block = 4 * (32 * 32 + 32) + 32 * 64 + 64 + 64 * 32 + 32 + 2 * 2 * 32
    assert parameters == result["parameters"]["after"] == result["parameters"]["before"] + block
    right = np.mean(np.array(logits).argmax(1) == [int(row["label"]) for row in rows])
    assert result["after"] == {"accuracy": pytest.approx(right)}


class Adam:
    """AdamW of a constant rate without warm-up, in NumPy, from the gradients of each step."""

    def __init__(self, weights: dict[str, np.ndarray], rate: float) -> None:
        self.weights = {name: weight.astype(np.float64) for name, weight in weights.items()}
        self.rate = rate
        self.moments: dict[str, list[Any]] = {name: [0, 0.0, 0.0] for name in weights}

    def step(self, gradients: dict[str, np.ndarray]) -> None:
        for name, gradient in gradients.items():
            count, mean, square = self.moments[name]
            count, mean, square = count + 1, 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            self.moments[name] = [count, mean, square]
            size = (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
            decay = 0.01 * self.weights[name] if self.weights[name].ndim > 1 else 0
            self.weights[name] = self.weights[name] - self.rate * (size + decay)

    def grown(self, names: list[str]) -> Adam:
        after = Adam({name: self.weights[grown_from(name)] for name in names}, self.rate)
        after.moments = {name: list(self.moments[grown_from(name)]) for name in names}
        return after


def arrays(model: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}


def test_moments_are_carried_to_both_copies_of_a_block(
    growing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moments of the new optimizer when it begins, those at the end, and the weights, against NumPy."""
    seen: dict[str, Any] = {"small": [], "grown": []}
    update, carry = Stepper.update, Grown.carry

    def updating(self: Stepper, phase: Phase) -> None:
        seen.setdefault(f"start of {phase.name}", arrays(phase.model))
        named = phase.model.named_parameters()
        seen[phase.name].append({name: p.grad.double().numpy().copy() for name, p in named if p.grad is not None})
        update(self, phase)

    def carrying(self: Grown, old: Moments, new: Moments) -> None:
        carry(self, old, new)
        seen.update(moments=new, carried=read(self.model, new))

    def read(model: torch.nn.Module, moments: Moments) -> dict[str, list[np.ndarray]]:
        kinds = ("step", "exp_avg", "exp_avg_sq")
        return {name: [moments[p][kind].numpy() for kind in kinds] for name, p in model.named_parameters()}

    def finishing(self: Grown, evaluate: Any) -> None:
        seen.update(last=read(self.model, seen["moments"]), weights=arrays(self.model))

    monkeypatch.setattr(Stepper, "update", updating)
    monkeypatch.setattr(Grown, "carry", carrying)
    monkeypatch.setattr(Grown, "finish", finishing)
    options = ["fit.precision=fp32", "fit.lr_schedule=constant", "fit.warmup_share=0", "fit.weight_decay=0.01"]
    fit(load_recipe(growing, options))

    adam = Adam(seen["start of small"], 1e-3)
    for gradients in seen["small"]:
        adam.step(gradients)
    adam = adam.grown(list(seen["start of grown"]))
    for name, weight in adam.weights.items():
        np.testing.assert_allclose(seen["start of grown"][name], weight, atol=2e-5, err_msg=name)
    assert_moments(seen["carried"], adam)
    assert int(seen["carried"]["classifier.weight"][0]) == len(seen["small"]) == 12
    for gradients in seen["grown"]:
        adam.step(gradients)
    assert_moments(seen["last"], adam)
    for name, weight in adam.weights.items():
        np.testing.assert_allclose(seen["weights"][name], weight, atol=4e-5, err_msg=name)


def assert_moments(found: dict[str, list[np.ndarray]], adam: Adam) -> None:
    assert found.keys() == adam.moments.keys()
    for name, expected in adam.moments.items():
        for one, other in zip(found[name], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-7, err_msg=name)


def test_moments_of_what_an_optimizer_does_not_hold_and_of_another_shape() -> None:
    weight, other = torch.nn.Parameter(torch.ones(2, 3)), torch.nn.Parameter(torch.ones(2, 3))
    moments = Moments(torch.optim.AdamW([weight]))
    assert moments[weight] == {}
    with pytest.raises(ValueError, match=r"a parameter of the shape \(2, 3\) that the optimizer does not hold"):
        moments[other]
    with pytest.raises(ValueError, match=r"exp_avg has the shape \(3,\), its weight \(2, 3\)"):
        moments[weight] = {"exp_avg": torch.ones(3)}
    moments[weight] = {"exp_avg": torch.full((2, 3), 5.0)}
    moments[weight]["exp_avg"].zero_()
    assert moments[weight]["exp_avg"].tolist() == [[5.0] * 3] * 2, "what is given are copies"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What each training pass was like."""
    seen: list[dict[str, Any]] = []
    loss, update = Phase.loss, Stepper.update

    def watched(self: Phase, batch: Any) -> torch.Tensor:
        value = loss(self, batch)
        autocast = torch.is_autocast_enabled("cpu")
        tokens = sorted(batch["attention_mask"].sum(1).tolist())
        seen.append({"phase": self.name, "autocast": autocast, "tokens": tokens, "labels": batch["labels"].tolist()})
        return value

    def updating(self: Stepper, phase: Phase) -> None:
        seen[-1]["rate"] = self.optimizer.param_groups[0]["lr"]
        update(self, phase)

    monkeypatch.setattr(Phase, "loss", watched)
    monkeypatch.setattr(Stepper, "update", updating)
    yield seen


def test_the_first_phase_sees_short_texts_and_the_second_the_runs_own(
    growing: dict[str, Any], passes: list[dict[str, Any]]
) -> None:
    fit(growing)
    with Path(growing["task"]["train"]).open(encoding="utf-8") as file:
        whole = sorted(len(row["text"].split()) + 2 for row in csv.DictReader(file))
    found = {name: [one for one in passes if one["phase"] == name] for name in ("small", "grown")}
    lengths = {name: sorted(length for one in seen for length in one["tokens"]) for name, seen in found.items()}
    # the last batch of an epoch is short: 90 examples in batches of 8
    assert lengths["small"] == sorted(min(length, 6) for length in whole)
    assert lengths["grown"] == whole


def test_the_first_phase_is_in_fp32_and_the_second_in_bf16(
    growing: dict[str, Any], passes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = []
    evaluate = loop.evaluate

    def watched(model: Any, *arguments: Any) -> dict[str, float]:
        evaluated.append((model.config.num_hidden_layers, torch.is_autocast_enabled("cpu")))
        return evaluate(model, *arguments)

    monkeypatch.setattr(loop, "evaluate", watched)
    fit(growing)
    assert {(one["phase"], one["autocast"]) for one in passes} == {("small", False), ("grown", True)}
    assert evaluated == [(1, False), (1, False), (2, True), (2, True), (2, True)]


@pytest.mark.parametrize("per_phase", ["true", "false"])
def test_the_learning_rate_starts_anew_with_the_optimizer(
    per_phase: str, growing: dict[str, Any], passes: list[dict[str, Any]]
) -> None:
    fit(load_recipe(growing, ["fit.warmup_share=0.25", f"fit.lr_per_phase={per_phase}"]))
    stretch = [*(1e-3 * step / 3 for step in range(3)), *(1e-3 * (12 - step) / 9 for step in range(3, 12))]
    assert [one["rate"] for one in passes] == pytest.approx(stretch * 2)


def test_what_the_small_model_reached_is_not_the_result(
    growing: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evaluations after 5, 10, 15, 20 and 24 steps, of which 12 train the small model."""
    scores = iter([0.8, 0.9, 0.3, 0.5, 0.4])
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"accuracy": next(scores)})
    result = fit(growing)
    training = result["training"]
    assert training["best_step"] == 20
    assert [(row["phase"], row["accuracy"]) for row in training["evaluations"]] == [
        ("small", 0.8), ("small", 0.9), ("grown", 0.3), ("grown", 0.5), ("grown", 0.4)]  # fmt: skip
    best = [line for line in capsys.readouterr().err.splitlines() if "(best so far)" in line]
    assert [line.split()[1] for line in best] == ["5/24", "10/24", "15/24", "20/24"]
