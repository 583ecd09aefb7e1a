"""Metrics by name: functions of (logits, labels), higher is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from sklearn import metrics

Metric = Callable[[np.ndarray, np.ndarray], float]


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose highest logit is that of their label."""
    return float(metrics.accuracy_score(labels, logits.argmax(axis=1)))


def f1(logits: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1 where there are two classes, the mean over the classes met where there are more."""
    average = "binary" if logits.shape[1] == 2 else "macro"
    return float(metrics.f1_score(labels, logits.argmax(axis=1), average=average, zero_division=0))


def matthews(logits: np.ndarray, labels: np.ndarray) -> float:
    """Matthews correlation coefficient."""
    return _defined(metrics.matthews_corrcoef(labels, logits.argmax(axis=1)))


def auc(logits: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve of two classes: how often an example of class 1 scores above one of class 0. It
    knows of no threshold, so it does not mind how rare a class was in training. 0.5 where only one class is there.
    """
    if len(np.unique(labels)) < 2:
        return 0.5
    return float(metrics.roc_auc_score(labels, logits[:, 1] - logits[:, 0]))


def pearson(logits: np.ndarray, labels: np.ndarray) -> float:
    """Pearson's correlation of the one output with the labels."""
    return _correlation(stats.pearsonr, logits, labels)


def spearman(logits: np.ndarray, labels: np.ndarray) -> float:
    """Spearman's rank correlation of the one output with the labels."""
    return _correlation(stats.spearmanr, logits, labels)


METRICS: dict[str, Metric] = {f.__name__: f for f in (accuracy, auc, f1, matthews, pearson, spearman)}


def scorer(names: Sequence[str]) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """One function for several metrics.

    It takes logits of shape (examples, num_labels) and labels of shape (examples,); it gives metrics by name.
    """
    return lambda logits, labels: {name: METRICS[name](logits, labels) for name in names}


def _correlation(function: Callable[..., tuple[float, float]], logits: np.ndarray, labels: np.ndarray) -> float:
    predictions, truth = logits.reshape(-1).astype(np.float64), labels.astype(np.float64)
    if np.ptp(predictions) == 0 or np.ptp(truth) == 0:
        return 0.0  # as in `_defined`, without scipy's warning; one example is constant too
    return _defined(function(predictions, truth)[0])


def _defined(value: float) -> float:
    # A model that predicts one value for everything, as early in training, has no correlation: NaN would
    # compare false with every later score and is not JSON, so it counts as uncorrelated.
    return 0.0 if math.isnan(value) else float(value)
