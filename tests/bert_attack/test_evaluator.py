"""The attack from the command to the page, on a classifier that was trained to look at one word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForMaskedLM

from tests import warm
from tests.tiny import save_tiny, tiny_config
from tests.toy_data import write_reviews
from theseus_plugin import UserError, attack, bench, export, fit, load_recipe
from theseus_plugin.bert_attack.target import load_texts
from theseus_plugin.measure.models import resolve

pytestmark = pytest.mark.usefixtures("warm_children")

TASK = {"name": "text-classification", "text": "text", "max_length": 32}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of good and bad, its export, a masked language model of another tokenizer, and their data.

    Most tests ask the export: its process is there at once, while one with PyTorch takes seconds to import that.
    """
    folder = tmp_path_factory.mktemp("attack")
    files = {"train": write_reviews(folder / "train.csv", 400, 1), "validation": write_reviews(folder / "v.csv", 60, 2)}
    task = {**TASK, **{name: str(file) for name, file in files.items()}}
    training = {"epochs": 6, "learning_rate": 3e-3, "batch_size": 16, "precision": "fp32"}
    (folder / "recipe.yaml").write_text(json.dumps({"task": task}))
    start = save_tiny(folder / "start", layers=2)
    result = fit({"model": str(start), "predecessor": str(folder / "model"), "task": task, "fit": training})
    assert result["after"]["accuracy"] > 0.95
    export(str(folder / "model"), str(folder / "onnx"))
    save_tiny(folder / "mlm")
    torch.manual_seed(1)
    model = BertForMaskedLM(tiny_config("bert"))
    torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight, std=1.0)
    model.save_pretrained(folder / "mlm")
    return folder


@pytest.fixture(scope="module")
def attacked(home: Path) -> dict[str, Any]:
    """Both forms of the model under attack, with everything written."""
    names = [str(home / name) for name in ("model", "onnx")]
    return attack(names, mlm=str(home / "mlm"), samples=25, output=str(home / "out"), threads=1)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_figures_are_those_of_the_examples(home: Path, attacked: dict[str, Any]) -> None:
    record, examples = attacked["models"][0]["bert-attack"], lines(home / "out" / "1-model.jsonl")
    assert record["examples"] == len(examples) == 25
    misled = [one for one in examples if one["status"] == "success"]
    right = [one for one in examples if one["before"] == one["label"]]
    assert record["original_accuracy"] == pytest.approx(len(right) / 25)
    assert record["attacked_accuracy"] == pytest.approx((len(right) - len(misled)) / 25)
    tried = [one for one in examples if one["status"] != "skipped"]
    assert record["success_rate"] == pytest.approx(len(misled) / len(tried))
    assert record["queries"] == pytest.approx(np.mean([one["queries"] for one in tried]))
    low, high = record["intervals"]["success_rate"]
    assert low <= record["success_rate"] <= high
    assert misled


def test_what_misled_the_model_does_so_in_stock_transformers(home: Path, attacked: dict[str, Any]) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(home / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(home / "model")

    def says(text: str) -> str:
        with torch.no_grad():
            return str(model.config.id2label[int(model(**tokenizer(text, return_tensors="pt")).logits.argmax())])

    for one in lines(home / "out" / "1-model.jsonl"):
        assert says(one["texts"][0]) == one["before"]
        if one["status"] == "success":
            assert says(one["changed"]) == one["after"] != one["label"]
            words, changed = one["texts"][0].split(), one["changed"].split()
            assert [at for at, (a, b) in enumerate(zip(words, changed, strict=True)) if a != b] == sorted(
                change["at"] for change in one["changes"]
            )


def test_the_export_is_attacked_as_it_is_deployed(home: Path, attacked: dict[str, Any]) -> None:
    ours, exported = (lines(home / "out" / name) for name in ("1-model.jsonl", "2-onnx.jsonl"))
    assert [one["example"] for one in ours] == [one["example"] for one in exported]
    assert sum(one["changed"] == two["changed"] for one, two in zip(ours, exported, strict=True)) >= 24
    assert attacked["models"][1]["bert-attack"]["file"].endswith("model.onnx")


def test_the_page_shows_what_was_changed(home: Path, attacked: dict[str, Any]) -> None:
    page = (home / "out" / "attack.html").read_text()
    misled = next(one for one in lines(home / "out" / "1-model.jsonl") if one["status"] == "success")
    for change in misled["changes"]:
        assert f"<del>{change['original']}</del> <ins>{change['word']}</ins>" in page
    assert "http" not in page


def test_the_same_seed_gives_the_same_files_and_another_draws_others(home: Path, attacked: dict[str, Any]) -> None:
    options = {"mlm": str(home / "mlm"), "samples": 25, "threads": 1}
    attack([str(home / "onnx")], **options, output=str(home / "again"))
    assert (home / "again" / "1-onnx.jsonl").read_bytes() == (home / "out" / "2-onnx.jsonl").read_bytes()
    attack([str(home / "onnx")], **options, output=str(home / "other"), seed=1)
    numbers = [[one["example"] for one in lines(home / name / "1-onnx.jsonl")] for name in ("again", "other")]
    assert numbers[0] != numbers[1]


def test_changes_that_are_not_similar_enough_do_not_count(home: Path, attacked: dict[str, Any]) -> None:
    options = {"mlm": str(home / "mlm"), "samples": 25, "threads": 1, "sentence_encoder": str(home / "start")}
    record = attack([str(home / "onnx")], **options, min_similarity=1.0)["models"][0]["bert-attack"]
    assert record["successes"] == 0
    assert record["attacked_accuracy"] == record["original_accuracy"]
    assert record["similarity_by"] == str(home / "start")


def test_bench_takes_it_as_a_column(home: Path) -> None:
    options: dict[str, dict[str, Any]] = {"bert-attack": {"mlm": str(home / "mlm"), "samples": 5}, "size": {}}
    [row] = bench([str(home / "onnx")], evaluators=options)["models"]
    assert {"bert-attack", "size"} <= row.keys()


def test_one_side_of_a_pair_is_frozen(home: Path, tmp_path: Path) -> None:
    rows = ["first,second,label", "a good film,was it bad,1", "a bad film,was it good,0", "good,of the film,1"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    task = {**TASK, "text": ["first", "second"], "validation": str(tmp_path / "pairs.csv")}
    options = {"mlm": str(home / "mlm"), "side": "second", "output": str(tmp_path / "out"), "threads": 1}
    attack([str(home / "onnx")], {"task": task}, **options)
    for one, row in zip(lines(tmp_path / "out" / "1-onnx.jsonl"), rows[1:], strict=True):
        assert one["texts"] == row.split(",")[:2]
        assert one["side"] == 1
        assert len(one["changed"].split()) == len(one["texts"][1].split())


def test_empty_and_long_texts(home: Path, tmp_path: Path) -> None:
    rows = ["text,label", "?!,1", "good " * 100 + ",1", "good,1"]
    (tmp_path / "texts.csv").write_text("\n".join(rows) + "\n")
    task = {**TASK, "validation": str(tmp_path / "texts.csv")}
    attack([str(home / "onnx")], {"task": task}, mlm=str(home / "mlm"), output=str(tmp_path / "out"), threads=1)
    empty, long, one_word = lines(tmp_path / "out" / "1-onnx.jsonl")
    assert empty["status"] == "skipped"
    assert all(change["at"] < 62 for change in long["changes"])
    assert one_word["status"] in ("success", "failure")


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ({"name": "text-regression"}, {}, "head"),
        ({}, {"side": "second"}, "single texts, not pairs"),
        ({}, {"mlm": "/no/such/model"}, "/no/such/model"),
        ({}, {"stop_words": "/no/such/words"}, "/no/such/words"),
        ({}, {"max_change": 0.1}, "did you mean 'max_changed'"),
    ],
)
def test_what_cannot_be_attacked(home: Path, task: dict[str, Any], options: dict[str, Any], said: str) -> None:
    content = {**TASK, "validation": str(home / "v.csv"), **task}
    with pytest.raises(UserError, match=said):
        attack([str(home / "onnx")], {"task": content}, **{"mlm": str(home / "mlm"), "samples": 3, **options})


def test_a_regression_is_told_apart(home: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("text,label\na film,0.5\ngood,0.9\n")
    save_tiny(tmp_path / "regressor", num_labels=1)
    task = load_recipe({"task": {**TASK, "name": "text-regression", "validation": str(tmp_path / "scores.csv")}})
    with pytest.raises(UserError, match="'text-regression' cannot be attacked"):
        load_texts(resolve(str(tmp_path / "regressor")), task.create_task())


def test_the_command(home: Path) -> None:
    command = ["attack", str(home / "onnx"), "--mlm", str(home / "mlm"), "--samples", "5", "--threads", "1"]
    process = warm.command(*command)
    assert process.returncode == 0, process.stderr
    assert "under attack x 100" in process.stdout
    refused = warm.command(*command, "--output", str(home))
    assert refused.returncode == 2
    assert "exists already" in refused.stderr
