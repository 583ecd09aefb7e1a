from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from theseus_plugin.tasks.metrics import METRICS, scorer

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 1])
PREDICTED = np.array([1, 0, 1, 0, 1, 0, 0, 1])


def one_hot(predicted, classes):
    return np.eye(classes, dtype=np.float32)[predicted] * 3 - 1


def counts(predicted, labels, cls):
    true = int(((predicted == cls) & (labels == cls)).sum())
    return true, int((predicted == cls).sum()) - true, int((labels == cls).sum()) - true


def f1_of(predicted, labels, cls):
    true, false_positive, missed = counts(predicted, labels, cls)
    return 2 * true / (2 * true + false_positive + missed)


def test_accuracy():
    assert METRICS["accuracy"](one_hot(PREDICTED, 2), LABELS) == 6 / 8


def test_f1_of_two_classes_is_that_of_class_1():
    labels, predicted = np.array([1, 0, 0, 0, 0]), np.array([1, 1, 0, 0, 0])
    value = METRICS["f1"](one_hot(predicted, 2), labels)
    assert value == pytest.approx(f1_of(predicted, labels, 1)) == pytest.approx(2 / 3)
    assert f1_of(predicted, labels, 0) != pytest.approx(value)


def test_f1_of_three_classes_is_the_mean():
    labels, predicted = np.array([0, 1, 2, 2, 1, 0, 2]), np.array([0, 2, 2, 1, 1, 0, 0])
    expected = sum(f1_of(predicted, labels, cls) for cls in range(3)) / 3
    assert METRICS["f1"](one_hot(predicted, 3), labels) == pytest.approx(expected)


def test_matthews():
    tp, fp, fn = counts(PREDICTED, LABELS, 1)
    tn = len(LABELS) - tp - fp - fn
    expected = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert METRICS["matthews"](one_hot(PREDICTED, 2), LABELS) == pytest.approx(expected)


def correlation(x, y):
    x, y = np.asarray(x, float) - np.mean(x), np.asarray(y, float) - np.mean(y)
    return (x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum())


def test_pearson_and_spearman():
    outputs = np.array([[0.1], [2.5], [2.4], [4.9], [30.0]], dtype=np.float32)
    labels = np.array([0.0, 2.0, 3.0, 5.0, 4.0], dtype=np.float32)
    assert METRICS["pearson"](outputs, labels) == pytest.approx(correlation(outputs[:, 0], labels))
    ranks = [1, 3, 2, 4, 5], [1, 2, 3, 5, 4]
    assert METRICS["spearman"](outputs, labels) == pytest.approx(correlation(*ranks))


def test_spearman_gives_ties_their_mean_rank():
    outputs, labels = np.array([[1.0], [1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0, 3.0])
    assert METRICS["spearman"](outputs, labels) == pytest.approx(correlation([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5]))


@pytest.mark.parametrize("name", ["f1", "matthews"])
def test_one_class_predicted_for_all(name):
    assert METRICS[name](one_hot(np.zeros(8, dtype=int), 2), LABELS) == 0.0


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("outputs", [np.full((3, 1), 0.5), np.array([[1.0], [np.nan], [2.0]]), np.full((3, 1), np.nan)])
def test_no_correlation_is_zero_without_a_warning(name, outputs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert METRICS[name](outputs, np.array([1.0, 2.0, 3.0])) == 0.0
        assert METRICS[name](np.array([[1.0]]), np.array([1.0])) == 0.0


def test_scorer_keeps_the_order_and_gives_floats():
    result = scorer(["matthews", "accuracy"])(one_hot(PREDICTED, 2), LABELS)
    assert list(result) == ["matthews", "accuracy"]
    assert all(type(value) is float for value in result.values())


def test_auc_counts_the_pairs_in_the_right_order():
    margins, labels = np.array([0.25, -1.0, 0.25, 2.0, 5.0]), np.array([1, 0, 0, 1, 0])
    others = np.array([4.0, 0.0, -2.0, 1.0, 9.0])
    logits = np.stack([others, others + margins], axis=1)
    pairs = [(margins[i] > margins[j]) + (margins[i] == margins[j]) / 2 for i in (0, 3) for j in (1, 2, 4)]
    assert METRICS["auc"](logits, labels) == pytest.approx(np.mean(pairs))
    assert METRICS["auc"](logits, np.ones(5, dtype=int)) == 0.5
