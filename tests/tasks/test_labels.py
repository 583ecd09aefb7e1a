from __future__ import annotations

import datetime
import math
from decimal import Decimal

import datasets
import pytest

from tests.tiny import tiny_config
from theseus_plugin.errors import UserError
from theseus_plugin.tasks.heads import classes_of, classifier, require_regression, require_same_order
from theseus_plugin.tasks.labels import class_ids, new_classes, scores
from theseus_plugin.tasks.reading import Rows


def rows(labels, place="train.tsv", names=None):
    features = None
    if names:
        features = datasets.Features({"label": datasets.ClassLabel(names=names)})
    return Rows(place, datasets.Dataset.from_dict({"label": labels}, features=features))


def ids(names, **splits):
    return class_ids({k: v if isinstance(v, Rows) else rows(v, f"{k}.tsv") for k, v in splits.items()}, "label", names)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 9, 10, 1], ["1", "9", "10"]),
        (["10", "9", "1"], ["1", "9", "10"]),
        ([2.0, -1.0], ["-1", "2"]),
        (["pos", "neg", "pos"], ["neg", "pos"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        ([True, False], ["False", "True"]),
        ([Decimal("10.0"), Decimal("9.0")], ["9", "10"]),
    ],
)
def test_new_classes_are_sorted(labels, classes):
    assert new_classes(rows(labels), "label") == classes


def test_new_classes_keep_the_names_and_order_of_a_class_label():
    assert new_classes(rows([1, 1], names=["z", "a", "never"]), "label") == ["z", "a", "never"]


def test_new_classes_need_two():
    with pytest.raises(UserError, match=r"train\.tsv: column 'label' holds only the label '1'"):
        new_classes(rows([1, 1]), "label")


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (["no", "yes"], ["yes", "no"], [1, 0]),
        (["1", "0"], [0, 1, 1], [1, 0, 0]),  # the names count, though the labels could be ids
        (["LABEL_0", "LABEL_1"], [1, 0], [1, 0]),
        (["LABEL_0", "LABEL_1"], ["1", "0"], [1, 0]),
        (["LABEL_0", "LABEL_1"], [1.0, 0.0], [1, 0]),
        (["LABEL_0", "LABEL_1"], ["LABEL_1"], [1]),
        (["negative", "positive"], [1, 0], [1, 0]),
        (["NEUTRAL", "CONTRADICTION"], ["contradiction", "neutral"], [1, 0]),
        (["a", "A"], ["A", "a"], [1, 0]),
        (["LABEL_0", "LABEL_1"], rows([1, 0], names=["neg", "pos"]), [1, 0]),
        # ids of the data and of the checkpoint differ: the names decide
        (["CONTRADICTION", "ENTAILMENT"], rows([0, 1, 0], names=["entailment", "contradiction"]), [1, 0, 1]),
    ],
)
def test_ids_follow_the_head(names, labels, expected):
    assert ids(names, validation=labels) == {"validation": expected}


@pytest.mark.parametrize(
    ("names", "labels", "row", "label"),
    [
        (["no", "yes"], ["yes", "maybe"], 2, "maybe"),
        (["LABEL_0", "LABEL_1"], [0, 1, 2], 3, "2"),
        (["LABEL_0", "LABEL_1"], [0, -1], 2, "-1"),
        (["LABEL_0", "LABEL_1"], [0.5], 1, "0.5"),
        (["LABEL_0", "LABEL_1"], ["good"], 1, "good"),
        (["LABEL_0", "LABEL_1"], [True], 1, "True"),
        (["1", "2", "3"], [1, 3, 0], 3, "0"),  # 0 is no id here: other labels are names
        (["no", "yes"], rows([0, -1], "train.tsv", names=["no", "yes"]), 2, "-1"),
    ],
)
def test_unknown_labels(names, labels, row, label):
    with pytest.raises(UserError) as caught:
        ids(names, train=labels)
    assert str(caught.value).startswith(
        f"train.tsv, row {row}: label '{label}' is not one of the {len(names)} classes: {', '.join(names)};"
    )


def test_names_or_ids_is_decided_for_all_splits_together():
    with pytest.raises(UserError, match=r"validation\.tsv, row 1: label '0' is not one of the 3 classes"):
        ids(["1", "2", "3"], train=[1, 2, 3], validation=[0, 0])


@pytest.mark.parametrize("labels", [[1, None], [1.0, math.nan], ["a", None]])
def test_missing_labels(labels):
    with pytest.raises(UserError, match=r"train\.tsv, row 2: no label in column 'label'"):
        new_classes(rows(labels), "label")
    with pytest.raises(UserError, match=r"train\.tsv, row 2: no label in column 'label'"):
        ids(["a", "1"], train=labels)


def test_scores():
    assert scores(rows(["5.000", "-1e-2", "3"]), "label") == [5.0, -0.01, 3.0]
    assert scores(rows([4, 2]), "label") == [4.0, 2.0]


@pytest.mark.parametrize("bad", ["high", "", "nan", "inf", "-inf"])
def test_scores_are_finite_numbers(bad):
    with pytest.raises(UserError, match=rf"train\.tsv, row 2: label '{bad}' is not a finite number"):
        scores(rows(["1.5", bad]), "label")
    with pytest.raises(UserError, match=r"row 2: label None is not a finite number"):
        scores(rows([1.5, None]), "label")


def test_heads_of_checkpoints():
    assert classes_of(tiny_config(num_labels=3), "m") == ["LABEL_0", "LABEL_1", "LABEL_2"]
    named = tiny_config(id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1})
    assert classes_of(named, "m") == ["no", "yes"]
    require_regression(tiny_config(num_labels=1), "m")


@pytest.mark.parametrize(
    "fields",
    [{"num_labels": 1}, {"problem_type": "regression"}, {"problem_type": "multi_label_classification"}],
)
def test_a_head_that_does_not_classify(fields):
    with pytest.raises(UserError, match=r"^m: its head is for (regression|multi_label_classification) with"):
        classes_of(tiny_config(**fields), "m")


def test_a_head_with_several_outputs_is_no_regression():
    with pytest.raises(UserError, match="m: its head has 2 outputs, a regression needs 1"):
        require_regression(tiny_config(), "m")


def test_given_labels_must_agree_with_the_checkpoint():
    require_same_order(["neg", "pos"], ["LABEL_0", "LABEL_1"], "m")
    require_same_order(["neg", "pos"], ["neg", "pos"], "m")
    with pytest.raises(UserError, match="labels: 3 are given, but m has 2 classes"):
        require_same_order(["a", "b", "c"], ["LABEL_0", "LABEL_1"], "m")
    with pytest.raises(UserError, match="labels: 'pos' is given as id 0, but m has it as id 1: give"):
        require_same_order(["pos", "neg"], ["neg", "pos"], "m")


def test_classifier_head():
    assert classifier(["no", "yes"]) == {
        "num_labels": 2,
        "id2label": {0: "no", 1: "yes"},
        "label2id": {"no": 0, "yes": 1},
        "problem_type": "single_label_classification",
    }


@pytest.mark.parametrize("missing", [None, "", "  ", "\t", "\u00a0", math.nan, math.inf])
def test_what_is_missing(missing):
    values = [1.0, missing] if isinstance(missing, float) else ["a", missing]
    with pytest.raises(UserError, match=r"train\.tsv, row 2: no label in column 'label'"):
        new_classes(rows(values), "label")


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "N/A", "-", "0", "False"])
def test_what_is_not_missing(name):
    assert new_classes(rows(["zz", name]), "label") == [name, "zz"]
    assert ids([name, "zz"], train=[name, "zz"]) == {"train": [0, 1]}


@pytest.mark.parametrize("labels", [["pos", "neg", " pos"], ["pos", "neg", "pos\u00a0"], ["pos", "neg", "pos\t"]])
def test_labels_that_differ_in_blanks_only(labels):
    with pytest.raises(UserError, match=r"train\.tsv, row 3: label '.*' differs from 'pos' in blanks only"):
        new_classes(rows(labels), "label")


def test_blanks_that_every_label_has_are_kept():
    assert new_classes(rows([" pos", " neg"]), "label") == [" neg", " pos"]


@pytest.mark.parametrize("value", [[0, 1], [], ["a"], {"a": 1}, (1, 2)])
def test_several_labels_for_one_example_are_not_supported(value):
    several = Rows("train.jsonl", {"label": ["a", value]})
    with pytest.raises(UserError, match=r"train\.jsonl, row 2: label .* \(multi-label\) are not supported yet"):
        new_classes(several, "label")
    with pytest.raises(UserError, match=r"train\.jsonl, row 2: label .* is not a finite number"):
        scores(Rows("train.jsonl", {"label": [1, value]}), "label")


@pytest.mark.parametrize("value", [b"a", datetime.datetime(2020, 1, 1)])
def test_labels_that_are_neither_text_nor_numbers(value):
    with pytest.raises(UserError, match=r"train\.tsv, row 1: label .* is neither text nor a number"):
        new_classes(rows([value, value]), "label")


def test_a_head_of_one_output_that_is_no_regression():
    with pytest.raises(UserError, match=r"m: its head is for multi_label_classification, not .* not supported yet"):
        require_regression(tiny_config(num_labels=1, problem_type="multi_label_classification"), "m")
    require_regression(tiny_config(num_labels=1, problem_type="regression"), "m")
