"""Two CPU processes of one run, against one process (rules 1, 3 and 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests import warm
from tests.tiny import save_tiny
from tests.toy_data import write_reviews
from tests.training.ranks import draws_and_blocks


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, still: Path, reviews: dict[str, Any]) -> dict[str, Any]:
    """The same run with one process of batch 16 and with two of batch 8, and with accumulation: the same examples and
    draws in each of ten steps.
    """
    folder = tmp_path_factory.mktemp("distributed")
    task = reviews | {"train": str(write_reviews(folder / "train.csv", 330, seed=4))}
    records: dict[str, Any] = {}
    for name, batch_size, accumulation in (("one", 16, 1), ("two", 8, 1), ("one twice", 16, 2), ("two twice", 8, 2)):
        training = {"max_steps": 10, "batch_size": batch_size, "eval_steps": 10, "learning_rate": 5e-4,
                    "precision": "fp32", "eval_batch_size": 4, "gradient_accumulation": accumulation}  # fmt: skip
        recipe = {
            "predecessor": str(still),
            "successor": str(folder / name),
            "task": task,
            "method": {
                "name": "theseus",
                "successor_blocks": 3,
                "schedule": {"name": "linear", "base_rate": 0.3, "slope": 0.1},
                "training": training,
            },
        }
        (folder / f"{name}.yaml").write_text(json.dumps(recipe))
    for number in ("one", "two"):
        names = (number, f"{number} twice")
        recipes = [str(folder / f"{name}.yaml") for name in names]
        if number == "one":
            warm.right(warm.called(draws_and_blocks, recipes))
        else:
            warm.right(*warm.two_ranks(draws_and_blocks, recipes))
        for name in names:
            records[name] = [json.loads(rank.read_text()) for rank in sorted(folder.glob(f"{name}.yaml.rank*"))]
    return records


def test_every_rank_makes_the_same_draws_and_so_does_one_process(runs: dict[str, Any]) -> None:
    assert len(runs["two"]) == 2
    assert runs["two"][0]["draws"] == runs["two"][1]["draws"] == runs["one"][0]["draws"]
    assert len({tuple(draw) for _, _, draw in runs["one"][0]["draws"]}) > 1


def test_every_rank_runs_the_same_blocks_in_the_same_order(runs: dict[str, Any]) -> None:
    ran = runs["two"][0]["ran"]
    assert ran == runs["two"][1]["ran"] == runs["one"][0]["ran"]
    for _, _, draw in runs["two"][0]["draws"]:
        expected = [
            [place, "successor" if draw[place // 2] else "predecessor"]
            for place in range(6)
            if not draw[place // 2] or place % 2 == 0
        ]
        assert ran[: len(expected)] == expected
        ran = ran[len(expected) :]
    assert not ran, "only draws run blocks of the replacing phase"


@pytest.mark.parametrize("how", ["", " twice"])
def test_two_processes_give_the_weights_of_one_with_twice_the_batch(runs: dict[str, Any], how: str) -> None:
    """Modules that were drawn in one accumulated pass and not in the next included."""
    one, two = (
        load_file(Path(runs[name + how][0]["result"]["output"]) / "model.safetensors") for name in ("one", "two")
    )
    # A key's bias adds the same to all scores of a softmax: its gradient is nothing but rounding, which Adam enlarges.
    apart = {name: np.abs(two[name] - one[name]).max() for name in one if not name.endswith("key.bias")}
    assert {name: distance for name, distance in apart.items() if distance > 1e-5} == {}
    start = load_file(Path(runs["one"][0]["result"]["model"]) / "model.safetensors")
    assert max(np.abs(one[name] - start[name]).max() for name in one) > 1e-3


def test_the_rate_does_not_run_faster_with_two_processes(runs: dict[str, Any]) -> None:
    rates = [rate for rate, _, _ in runs["two"][0]["draws"]]
    assert rates == pytest.approx([0.3 + 0.1 * step for step in range(7)])
    twice = [rate for rate, _, _ in runs["two twice"][0]["draws"]]
    assert twice == pytest.approx([0.3 + 0.1 * step for step in range(7) for _ in range(2)])


def test_metrics_count_each_example_once(runs: dict[str, Any]) -> None:
    """29 validation examples in batches of 4: the last round of two processes is padded with 3 duplicates."""
    one, two = runs["one"][0]["result"], runs["two"][0]["result"]
    assert runs["two"][0]["result"]["after"] == runs["two"][1]["result"]["after"]
    assert two["before"] == one["before"]
    correct = two["before"]["accuracy"] * 29
    assert correct == pytest.approx(round(correct))


def alone(*arguments: str) -> list[warm.Ended]:
    return [warm.command(*arguments)]


def test_reduced_rows_of_both_processes_are_scored_as_of_one(tmp_path: Path, reviews: dict[str, Any]) -> None:
    """Perplexity over 29 texts in batches of 4, whose logits differ in length between the processes."""
    model = save_tiny(tmp_path / "model", head="MaskedLM")
    before = []
    for name, start in (("one", alone), ("two", warm.two_commands)):
        training = {"max_steps": 1, "batch_size": 4, "eval_batch_size": 4, "precision": "fp32"}
        recipe = {
            "predecessor": str(model),
            "successor": str(tmp_path / name),
            "task": {key: value for key, value in reviews.items() if key != "name"} | {"name": "masked-lm"},
            "method": {"name": "theseus", "successor_blocks": 3, "training": training},
        }
        (tmp_path / f"{name}.yaml").write_text(json.dumps(recipe))
        ranks = start("compress", str(tmp_path / f"{name}.yaml"), "--json")
        warm.right(*ranks)
        before.append(json.loads(ranks[0].stdout)["before"])
    assert before[0] == pytest.approx(before[1], rel=1e-6)


def test_a_process_whose_batch_has_no_label_weighs_nothing(tmp_path: Path) -> None:
    """Its pass still runs, so that all have the same gradients to sum; the weights are those of one process."""
    model = save_tiny(
        tmp_path / "model", head=False, layers=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    words = [["\u200b"], ["the", "film"], ["\u200b"], ["a", "dull", "movie"], ["\u200b"], ["\u200b"]]
    rows = [{"words": row, "tags": ["B-FILM" if word in ("film", "movie") else "O" for word in row]} for row in words]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    task = {"name": "token-classification", **dict.fromkeys(("train", "validation"), str(tmp_path / "rows.jsonl"))}
    for name, start, batch_size in (("one", alone, 2), ("two", warm.two_commands, 1)):
        training = {"epochs": 1, "batch_size": batch_size, "eval_steps": 3, "learning_rate": 1e-3, "precision": "fp32"}
        recipe = {"model": str(model), "predecessor": str(tmp_path / name), "task": task, "fit": training}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(recipe))
        warm.right(*start("fit", str(tmp_path / f"{name}.yaml")))
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, weight in one.items():
        if not name.endswith("key.bias"):
            np.testing.assert_allclose(two[name], weight, atol=1e-5, err_msg=name)
