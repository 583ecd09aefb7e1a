from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin import UserError, compress
from theseus_plugin.methods.distillation.config import PatientConfig
from theseus_plugin.methods.distillation.phases import IntermediatePhase, LogitsPhase, PatientPhase, followed
from theseus_plugin.methods.teaching.pair import Pair
from theseus_plugin.surgery.plan import plan_stacks
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.successor import build_successor

TEXTS = ["the film was good", "a bad movie", "good"]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Six blocks and two, whose dropout is off."""
    save_tiny(tmp_path / "bert")
    teacher = AutoModelForSequenceClassification.from_pretrained(tmp_path / "bert").eval()
    plans = plan_stacks(teacher, Shape(successor_blocks=2, initialisation="every-other"))
    student = build_successor(copy.deepcopy(teacher), [plan.cut for plan in plans]).eval()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return Pair(student, teacher, plans, shifted=False)


@pytest.fixture
def batch(tmp_path: Path, pair: Pair) -> dict[str, torch.Tensor]:
    encoded = AutoTokenizer.from_pretrained(tmp_path / "bert")(TEXTS, padding=True, return_tensors="pt")
    return {**encoded, "labels": torch.tensor([1, 0, 1])}


def told(pair: Pair, batch: dict[str, torch.Tensor]) -> tuple[Any, Any]:
    with torch.no_grad():
        return tuple(model(**batch, output_hidden_states=True) for model in (pair.student, pair.teacher))  # type: ignore[return-value]


def weighted(pair: Pair, batch: dict[str, torch.Tensor], temperature: float, share: float) -> float:
    mine, its = told(pair, batch)
    imitation = functional.kl_div(
        (mine.logits / temperature).log_softmax(-1), (its.logits / temperature).softmax(-1), reduction="batchmean"
    )
    return float(
        (1 - share) * functional.cross_entropy(mine.logits, batch["labels"]) + share * temperature**2 * imitation
    )


def test_labels_and_logits(pair: Pair, batch: dict[str, torch.Tensor]) -> None:
    loss = LogitsPhase("kd", pair, 3.0, 0.7, steps=1).loss(batch)
    assert loss.item() == pytest.approx(weighted(pair, batch, 3.0, 0.7), rel=1e-4)


def test_patience_follows_the_last_block_of_the_first_module(pair: Pair, batch: dict[str, torch.Tensor]) -> None:
    config = PatientConfig(successor_blocks=2, temperature=2.0, teacher_share=0.5, hidden_weight=10)
    mine, its = told(pair, batch)
    ours, theirs = (
        functional.normalize(state[:, 0], dim=-1) for state in (mine.hidden_states[1], its.hidden_states[3])
    )
    expected = weighted(pair, batch, 2.0, 0.5) + 10 * (ours - theirs).square().sum(-1).mean()
    assert PatientPhase(pair, config, steps=1).loss(batch).item() == pytest.approx(float(expected), rel=1e-4)


def test_which_blocks_are_followed(pair: Pair) -> None:
    [plan] = plan_stacks(pair.teacher, Shape(successor_blocks=3))
    assert followed(plan, "skip") == [(0, 1), (1, 3)]
    assert followed(plan, "last") == [(0, 3), (1, 4)]


def scores(model: Any, place: int, hidden: torch.Tensor) -> torch.Tensor:
    attention = model.bert.encoder.layer[place].attention.self
    heads = (*hidden.shape[:2], attention.num_attention_heads, -1)
    query, key = (one(hidden).view(heads).transpose(1, 2) for one in (attention.query, attention.key))
    return query @ key.transpose(2, 3) / query.shape[-1] ** 0.5


def test_embeddings_hidden_states_and_scores(pair: Pair, batch: dict[str, torch.Tensor]) -> None:
    mine, its = (output.hidden_states for output in told(pair, batch))
    real = batch["attention_mask"].bool()
    expected = sum((mine[i] - its[j])[real].square().mean() for i, j in [(0, 0), (1, 3), (2, 6)])
    for i, j in [(0, 2), (1, 5)]:  # a block reads what the one before it gave
        apart = (scores(pair.student, i, mine[i]) - scores(pair.teacher, j, its[j])).square()
        counted = torch.cat(
            [one[:, :length, :length].flatten() for one, length in zip(apart, real.sum(1), strict=True)]
        )
        expected += counted.mean()
    assert IntermediatePhase(pair, steps=1).loss(batch).item() == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("method", ["truncation", "kd", "pkd", "tinybert"])
def test_a_run_from_folder_to_folder(recipe: dict[str, Any], predecessor: Path, method: str) -> None:
    before = load_file(predecessor / "model.safetensors")
    recipe["method"] |= {"name": method}
    result = compress(recipe)
    names = {"tinybert": ["intermediate distillation", "prediction distillation"], "pkd": ["patient distillation"]}
    other = ["fine-tuning" if method == "truncation" else "distillation"]
    assert [phase["name"] for phase in result["training"]["phases"]] == names.get(method, other)
    assert result["kind"] == result["recipe"]["method"]["name"] == method
    assert result["training"]["partition"] == {"blocks": [[2, 1]] * 3}
    after = load_file(Path(result["output"]) / "model.safetensors")
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert not np.array_equal(after[embeddings], before[embeddings]), "all of the student trains"


def test_the_words_of_a_film_are_learnt_from_the_teacher_alone(recipe: dict[str, Any], tmp_path: Path) -> None:
    """A student of a teacher that knows, on labels that say nothing (their loss has no weight)."""
    recipe["predecessor"] = str(tmp_path / "taught")
    recipe["model"] = str(save_tiny(tmp_path / "six", id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1}))
    from theseus_plugin import fit

    recipe["fit"] |= {"epochs": 12}
    taught = fit(recipe)
    assert taught["after"]["accuracy"] > 0.9
    training = {**recipe["method"]["training"], "epochs": 12}
    recipe["method"] = {"name": "kd", "successor_blocks": 2, "teacher_share": 1.0, "training": training}
    assert compress(recipe)["after"]["accuracy"] > 0.9


@pytest.mark.parametrize("method", ["pkd", "tinybert"])
def test_two_stacks_are_refused(recipe: dict[str, Any], tmp_path: Path, method: str) -> None:
    recipe["predecessor"] = str(save_tiny(tmp_path / "t5", "t5"))
    recipe["method"] |= {"name": method}
    with pytest.raises(UserError, match="imitated in models with one stack: use the method kd"):
        compress(recipe)
    assert not Path(recipe["successor"]).exists()
