from __future__ import annotations

import subprocess
import sys

import datasets
import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin.contract import TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import validate
from theseus_plugin.tasks.text import TextClassification, TextRegression

TRAIN = "text\tlabel\ngood film\tpos\nbad film\tneg\nthe movie\tpos\n"
VALIDATION = "text\tlabel\ndull\tneg\ngreat movie\tpos\n"


def classify(**options) -> TextClassification:
    return TextClassification(validate(TextClassification.Config, {"text": "text"} | options, "task"))


def regress(**options) -> TextRegression:
    return TextRegression(validate(TextRegression.Config, {"text": "text"} | options, "task"))


def labels(data: TaskData, split: str) -> list[float]:
    return [example["labels"] for example in data.splits[split]]


@pytest.fixture
def files(write):
    return {"train": write("train.tsv", TRAIN), "validation": write("dev.tsv", VALIDATION)}


def test_glue_classification_of_pairs(glue, checkpoint):
    pair = ["#1 String", "#2 String"]
    data = classify(data=str(glue / "MRPC"), text=pair, label="Quality", metrics=["f1", "accuracy"]).load(
        checkpoint, ["validation"]
    )
    lines = (glue / "MRPC" / "dev.tsv").read_text(encoding="utf-8-sig").rstrip("\n").split("\n")[1:]
    fields = [line.split("\t") for line in lines]
    assert labels(data, "validation") == [int(row[0]) for row in fields]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    lengths = [len(tokenizer.tokenize(row[3])) + len(tokenizer.tokenize(row[4])) + 3 for row in fields]
    assert data.truncated == {"validation": sum(length > 64 for length in lengths)}
    assert max(len(example["input_ids"]) for example in data.splits["validation"]) == 64
    assert data.metric == "f1"
    perfect = np.eye(2)[labels(data, "validation")]
    assert data.score(perfect, np.array(labels(data, "validation"))) == {"f1": 1.0, "accuracy": 1.0}


def test_the_texts_give_the_inputs_again(glue, checkpoint):
    task = classify(data=str(glue / "MRPC"), text=["#1 String", "#2 String"], label="Quality", max_length=24)
    data = task.load(checkpoint, ["validation"])
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert len(data.texts["validation"]) == len(data.splits["validation"])
    for texts, example in list(zip(data.texts["validation"], data.splits["validation"], strict=True))[:50]:
        assert len(texts) == 2
        encoded = tokenizer(*texts, truncation=True, max_length=data.max_length)
        assert encoded["input_ids"] == example["input_ids"]


def test_texts_of_one_column(files, checkpoint):
    data = classify(**files).load(checkpoint, new_head=True)
    assert data.texts["validation"] == [("dull",), ("great movie",)]
    assert data.max_length == 64


def test_glue_regression(glue, regressor):
    task = regress(data=str(glue / "STS-B"), text=["sentence1", "sentence2"], label="score")
    data = task.load(regressor, ["validation"])
    lines = (glue / "STS-B" / "dev.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    assert labels(data, "validation") == [float(line.split("\t")[-1]) for line in lines]
    assert data.metric == "pearson"
    assert data.head == {"num_labels": 1, "problem_type": "regression"}


def test_glue_is_complete(glue, checkpoint):
    data = classify(data=str(glue / "SST-2"), text="sentence").load(checkpoint, new_head=True)
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 67_349,
        "validation": 872,
    }
    assert data.head["id2label"] == {0: "0", 1: "1"}


def test_new_head(files, checkpoint):
    data = classify(**files).load(checkpoint, new_head=True)
    assert data.head == {
        "num_labels": 2,
        "id2label": {0: "neg", 1: "pos"},
        "label2id": {"neg": 0, "pos": 1},
        "problem_type": "single_label_classification",
    }
    assert labels(data, "train") == [1, 0, 1]
    assert labels(data, "validation") == [0, 1]
    assert data.truncated == {"train": 0, "validation": 0}


def test_new_head_with_labels_in_their_order(files, checkpoint):
    data = classify(**files, labels=["pos", "neg", "neutral"]).load(checkpoint, new_head=True)
    assert data.head["id2label"] == {0: "pos", 1: "neg", 2: "neutral"}
    assert labels(data, "train") == [0, 1, 0]


def test_new_head_takes_its_classes_from_the_training_file(files, write, checkpoint):
    validation_only = classify(**files).load(checkpoint, ["validation"], new_head=True)
    assert labels(validation_only, "validation") == [0, 1]
    files["validation"] = write("dev.tsv", VALIDATION + "odd\tneutral\n")
    with pytest.raises(UserError, match=r"dev\.tsv, row 3: label 'neutral' is not one of the 2 classes"):
        classify(**files).load(checkpoint, new_head=True)


def test_new_head_of_a_class_label_column(tmp_path, checkpoint):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["z", "a"])})
    part = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features)
    datasets.DatasetDict({"train": part, "dev": part}).save_to_disk(tmp_path / "saved")
    data = classify(data=str(tmp_path / "saved"), validation="dev").load(checkpoint, new_head=True)
    assert data.head["id2label"] == {0: "z", 1: "a"}
    assert labels(data, "validation") == [1, 0]


def test_ids_follow_the_checkpoint(files, tmp_path):
    names = {"id2label": {0: "POS", 1: "NEG"}, "label2id": {"POS": 0, "NEG": 1}}
    data = classify(**files).load(str(save_tiny(tmp_path / "named", layers=1, **names)))
    assert labels(data, "train") == [0, 1, 0]
    assert data.head["id2label"] == {0: "POS", 1: "NEG"}


def test_generic_names_need_ids_or_labels(files, checkpoint):
    with pytest.raises(UserError, match=r"train\.tsv, row 1: label 'pos' is not one of the 2"):
        classify(**files).load(checkpoint)
    data = classify(**files, labels=["neg", "pos"]).load(checkpoint)
    assert labels(data, "train") == [1, 0, 1]
    assert data.head["id2label"] == {0: "LABEL_0", 1: "LABEL_1"}


def test_the_model_takes_head_and_batch(files, checkpoint):
    import torch

    data = classify(**files, labels=["neg", "pos", "other"]).load(checkpoint, new_head=True)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **data.head, ignore_mismatched_sizes=True)
    batch = {name: torch.from_numpy(array) for name, array in data.collate(data.splits["train"]).items()}
    output = model(**batch)
    assert output.logits.shape == (3, 3)
    assert output.loss.isfinite()


def test_regression_trains_on_the_mean_squared_error(write, regressor):
    import torch

    path = write("train.csv", "text,label\ngood,5\nbad,0.5\n")
    data = regress(train=path).load(regressor, ["train"])
    batch = {name: torch.from_numpy(array) for name, array in data.collate(data.splits["train"]).items()}
    output = AutoModelForSequenceClassification.from_pretrained(regressor)(**batch)
    outputs = output.logits.detach().numpy()[:, 0]
    assert output.loss.item() == pytest.approx(((outputs - np.array([5, 0.5])) ** 2).mean(), rel=1e-5)


def test_only_what_is_asked_for_is_read(files, checkpoint):
    task = classify(train="gone.tsv", validation=files["validation"], labels=["neg", "pos"])
    assert set(task.load(checkpoint, ["validation"]).splits) == {"validation"}
    with pytest.raises(UserError, match=r"gone\.tsv: no such file"):
        task.load(checkpoint)
    with pytest.raises(UserError, match="task text-classification: no train examples"):
        classify(validation=files["validation"]).load(checkpoint)


def test_task_and_head_must_agree(files, checkpoint, regressor):
    with pytest.raises(UserError, match="its head is for regression"):
        classify(**files).load(regressor)
    with pytest.raises(UserError, match="its head has 2 outputs"):
        regress(**files).load(checkpoint)
    assert classify(**files).load(regressor, new_head=True).head["num_labels"] == 2


def test_errors_of_the_data_name_their_place(files, write, checkpoint, regressor):
    with pytest.raises(UserError, match=r"train\.tsv: no column 'lable': did you mean 'label'\?"):
        classify(**files, label="lable").load(checkpoint, new_head=True)
    with pytest.raises(UserError, match=r"train\.tsv: no column 'txt': did you mean 'text'\?"):
        classify(**files, text=["text", "txt"]).load(checkpoint, new_head=True)
    with pytest.raises(UserError, match=r"train\.tsv, row 1: label 'pos' is not a finite number"):
        regress(**files).load(regressor)
    one_class = write("one.tsv", "text\tlabel\nx\t1\n")
    with pytest.raises(UserError, match=r"one\.tsv: column 'label' holds only the label '1'"):
        classify(train=one_class).load(checkpoint, ["train"], new_head=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task: no examples: give either `data`, or the files `train` and `validation`"),
        (
            {"train": "a.tsv", "subset": "mnli"},
            "task: `subset` is a configuration of `data`",
        ),
        ({"data": "a", "text": []}, "task.text: name one column, or the two columns of a pair"),
        ({"data": "a", "text": ["a", "b", "c"]}, "task.text: name one column, or the two columns of a pair"),
        ({"data": "a", "metrics": []}, "task.metrics: "),
        ({"data": "a", "metrics": ["pearson"]}, "task.metrics.0: "),
        ({"data": "a", "labels": ["one"]}, "task.labels: "),
        ({"data": "a", "max_length": 2}, "task.max_length: "),
        ({"data": "a", "quoting": "no"}, "task.quoting: "),
        ({"data": "a", "lable": "x"}, "unknown key 'task.lable': did you mean 'label'?"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(UserError) as caught:
        classify(**options)
    assert str(caught.value).startswith(message)


def test_every_option_is_described():
    for task in (TextClassification, TextRegression):
        for name, field in task.Config.model_json_schema()["properties"].items():
            assert field.get("description"), name


def test_importing_the_plugins_is_cheap():
    code = "import sys, theseus_plugin.tasks.text; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "theseus_plugin.tasks.text" in loaded
    assert not {"torch", "transformers", "datasets", "sklearn", "scipy", "numpy", "pandas"} & loaded
