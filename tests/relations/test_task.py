from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.families import TRAINING, families, section, write
from theseus_plugin import UserError, bench, compress, export, fit, load_recipe
from theseus_plugin.contract import TaskData

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families(tmp_path_factory.mktemp("relations"))


def load(home: Path, **more: Any) -> TaskData:
    task = load_recipe({"task": section(home, **more)}).create_task()
    return task.load(str(home / "model"), new_head=True)


def told(home: Path, data: TaskData, split: str) -> list[tuple[str, int]]:
    """Examples as texts, without spaces, which a tokenizer of letters does not keep."""
    tokenizer = AutoTokenizer.from_pretrained(home / "model")
    return [
        (
            "".join(token.removeprefix("##") for token in tokenizer.convert_ids_to_tokens(one["input_ids"])),
            one["labels"],
        )
        for one in data.splits[split]
    ]


def test_what_is_asked_of_a_graph_drawn_by_hand(home: Path, tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", [("a", "r", "b"), ("b", "s", "c"), ("x", "r", "y")])
    validation = write(tmp_path / "valid.txt", [("a", "t", "c"), ("a", "t", "stranger"), ("x", "t", "a")])
    data = load(home, train=train, validation=validation, negatives=2)
    question = "[CLS]question:{}what?isthecorrectanswer{}?[SEP]context:{}[SEP]"
    # no fact of the graph has another path: no true example, and of each the first false one, if it has a path
    possible = [(question.format("cr", "b", "bsc;"), 0), (question.format("bs", "a", "arb;"), 0)]
    assert set(told(home, data, "train")) <= set(possible)
    assert told(home, data, "validation")[0] == (question.format("at", "c", "arb;bsc;"), 1)
    assert {label for _, label in told(home, data, "validation")[1:]} == {0}


def test_no_fact_is_told_where_it_is_judged(home: Path) -> None:
    data = load(home)
    for text, label in told(home, data, "train"):
        question, context = text.split("[SEP]")[:2]
        asked = question.removeprefix("[CLS]question:").removesuffix("?")
        head_relation, answer = asked.split("what?isthecorrectanswer")
        assert f"{head_relation}{answer};" not in context, (text, label)
    labels = [label for _, label in told(home, data, "train")]
    assert 0 < sum(labels) < len(labels)


def test_the_same_seed_gives_the_same_examples_on_any_number_of_processes(home: Path) -> None:
    one, again, two, other = (
        told(home, load(home, **options), "train") for options in ({}, {}, {"processes": 2}, {"seed": 1})
    )
    assert one == again == two
    assert one != other


def test_steps_beyond_the_length_are_left_out_and_counted(home: Path) -> None:
    whole, short = load(home), load(home, max_length=90)
    assert whole.truncated == {"train": 0, "validation": 0}
    assert short.truncated["train"] == sum(len(one["input_ids"]) > 90 for one in whole.splits["train"]) > 0
    assert max(len(one["input_ids"]) for one in short.splits["train"]) <= 90


def test_every_command_takes_it(home: Path, tmp_path: Path) -> None:
    recipe = {
        "model": str(home / "model"),
        "predecessor": str(tmp_path / "predecessor"),
        "successor": str(tmp_path / "successor"),
        "task": section(home),
        "fit": TRAINING,
        "method": {"name": "theseus", "successor_blocks": 1, "training": TRAINING},
    }
    fit(recipe)
    assert compress(recipe)["metric"] == "auc"
    export(str(tmp_path / "successor"), str(tmp_path / "onnx"))
    [row] = bench([str(tmp_path / "onnx")], evaluators={"accuracy": {}})["models"]
    assert row["accuracy"]["examples"] == len(load(home).splits["validation"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train": "/no/such/graph"}, "/no/such/graph"),
        ({"validation": None}, "no validation facts"),
        ({"entities": "/no/such/names"}, "/no/such/names"),
        ({"max_length": 40}, "40 tokens do not hold the question"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(home: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(home, **options)


def test_facts_that_nothing_joins_leave_nothing_to_judge(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no fact there whose entities a path joins"):
        load(home, validation=write(tmp_path / "valid.txt", [("a0", "grand", "c1"), ("nobody", "grand", "c1")]))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match="no facts there"):
        load(home, train=str(tmp_path / "empty.txt"))
