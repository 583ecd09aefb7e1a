"""Batches of which no label counts: they count nothing, and are never NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, PreTrainedModel

from tests.tiny import save_decoder, save_tiny
from theseus_plugin import UserError, compress, fit
from theseus_plugin.contract import IGNORED, TaskData
from theseus_plugin.methods.distillation.config import PatientConfig
from theseus_plugin.methods.distillation.phases import IntermediatePhase, LogitsPhase, PatientPhase
from theseus_plugin.methods.teaching.pair import Pair
from theseus_plugin.surgery.plan import plan_stacks
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.successor import build_successor
from theseus_plugin.training.batches import labelled, refuse_unlabelled
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.step import Stepper

ZERO_WIDTH = {"words": ["\u200b"], "tags": ["O"]}
SENTENCES = [
    {"words": ["the", "film", "was", "good"], "tags": ["O", "B-FILM", "O", "O"]},
    {"words": ["a", "dull", "movie"], "tags": ["O", "O", "B-FILM"]},
    {"words": ["bad"], "tags": ["O"]},
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    folder = save_tiny(
        tmp_path_factory.mktemp("model"), head="TokenClassification", num_labels=3, layers=4,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return AutoModelForTokenClassification.from_pretrained(folder).requires_grad_(False)


def phase_of(kind: str, teacher: PreTrainedModel) -> Phase:
    plans = plan_stacks(teacher, Shape(successor_blocks=2))
    student = build_successor(teacher, [plan.cut for plan in plans])
    # what is no block is shared with the teacher, and frozen with it
    pair = Pair(student, teacher, plans, shifted=False)
    return {
        "plain": lambda: Phase("plain", student, 1),
        "kd": lambda: LogitsPhase("kd", pair, 2.0, 0.5, 1),
        "kd alone": lambda: LogitsPhase("kd", pair, 2.0, 1.0, 1),
        "pkd": lambda: PatientPhase(pair, PatientConfig(successor_blocks=2), 1),
        "tinybert": lambda: IntermediatePhase(pair, 1),
    }[kind]()


def batch(*labels: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.arange(5, 5 + 4 * len(labels)).view(len(labels), 4)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor(labels)}


def passed(kind: str, teacher: PreTrainedModel, *batches: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    phase = phase_of(kind, teacher)
    phase.model.train()
    schedule: Any = None
    stepper = Stepper(Accelerator(cpu=True), None, schedule, None)
    result = stepper.passes(phase, list(batches), 0, 0, stop=False)
    return result, {name: p.grad for name, p in phase.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["plain", "kd", "kd alone", "pkd", "tinybert"])
def test_a_pass_without_labels_changes_nothing(kind: str, teacher: PreTrainedModel) -> None:
    """Loss and gradients of a step are those of its other pass; the same parameters have one, as other ranks need."""
    empty, full = batch([IGNORED] * 4), batch([0, 1, IGNORED, 2], [1, IGNORED, IGNORED, 0])
    alone, expected = passed(kind, teacher, full)
    for batches in ((full, empty), (empty, full)):
        result, gradients = passed(kind, teacher, *batches)
        assert result.loss.item() == pytest.approx(alone.loss.item(), rel=1e-6)
        assert gradients.keys() == expected.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-7, msg=name)
    nothing, gradients = passed(kind, teacher, empty, empty)
    assert nothing.loss.item() == nothing.norm.item() == nothing.labels.item() == 0
    assert gradients.keys() == expected.keys()
    assert all((gradient == 0).all() for gradient in gradients.values())


def test_the_target_of_a_regression_may_be_minus_one_hundred() -> None:
    assert labelled({"labels": torch.tensor([-100.0, 3.0, -100.0])}).item() == 3
    assert labelled({"labels": torch.tensor([[-100, 3, -100]])}).item() == 1


def recipe_of(folder: Path, rows: list[dict[str, Any]], **training: Any) -> dict[str, Any]:
    for name, content in (("train", rows), ("validation", SENTENCES)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)) + "\n")
    files = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation")}
    chosen = {"epochs": 2, "batch_size": 1, "eval_steps": 1, "learning_rate": 1e-3, "precision": "fp32", **training}
    return {
        "model": str(save_tiny(folder / "encoder", head=False, layers=2)),
        "predecessor": str(folder / "predecessor"),
        "successor": str(folder / "successor"),
        "task": {"name": "token-classification", **files},
        "fit": chosen,
        "method": {"name": "theseus", "successor_blocks": 1, "training": chosen},
    }


def test_words_without_tokens_are_trained_on_one_at_a_time(tmp_path: Path) -> None:
    """An evaluation after every step: those before the first label have no loss to tell of, and a run goes on."""
    recipe = recipe_of(tmp_path, [*SENTENCES, *[ZERO_WIDTH] * 6])
    result = fit(recipe)
    losses = [evaluation.get("loss", 0.0) for evaluation in result["training"]["evaluations"]]
    assert all(math.isfinite(loss) for loss in losses)
    recipe["method"]["training"] |= {"epochs": 1, "eval_steps": 9}
    methods: list[dict[str, Any]] = [{"name": "pkd"}, {"name": "theseus", "logits_share": 0.5}]
    for more in methods:
        recipe["successor"] = str(tmp_path / more["name"])
        result = compress(recipe | {"method": recipe["method"] | more})
        weights = load_file(Path(result["output"]) / "model.safetensors")
        assert all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_any_label_is_named(split: str) -> None:
    good, bad = [{"input_ids": [1, 2], "labels": [IGNORED, 1]}], [{"input_ids": [1], "labels": [IGNORED]}] * 3
    splits = {name: bad if name == split else good for name in ("train", "validation")}
    nothing: Any = None
    data = TaskData(splits=splits, collate=nothing, score=nothing, metric="f1", head={})
    with pytest.raises(UserError, match=f"^{split}: none of its 3 examples has a label that counts"):
        refuse_unlabelled(data)


def test_texts_without_anything_to_hide(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text\n"\u200b"\n"\u200b\u200b"\n')
    recipe = recipe_of(tmp_path, SENTENCES)
    file = str(tmp_path / "t.csv")
    recipe["task"] = {"name": "masked-lm", "train": file, "validation": file, "text": "text"}
    with pytest.raises(UserError, match=r"^train: none of its 2 examples has a label that counts"):
        fit(recipe)
    assert not (tmp_path / "predecessor").exists()


def test_a_decoder_learns_beside_examples_without_labels(tmp_path: Path) -> None:
    """The labels of a next token are one further on."""
    folder = save_decoder(tmp_path / "m", "gpt2", "CausalLM")
    phase = Phase("plain", AutoModelForCausalLM.from_pretrained(folder), 1)
    schedule: Any = None
    result = Stepper(Accelerator(cpu=True), None, schedule, None).passes(
        phase, [batch([IGNORED] * 4), batch([IGNORED, 6, 7, 8])], 0, 0, stop=False
    )
    assert math.isfinite(result.loss.item())
    assert result.labels.item() == 3
