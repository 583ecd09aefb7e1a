"""Scores of cells, as they are and on resampled examples, computed from the committed predictions."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.glue.grid import HALF, RATES, SEARCHED, Cell
from benchmarks.glue.runner import PREDECESSORS, record_of
from benchmarks.glue.tasks import TASKS
from theseus_plugin.measure.statistics import drawn_examples, resampled_scores
from theseus_plugin.tasks.metrics import METRICS

DRAWS = 1000
"""Times that examples are drawn with replacement."""
Predicted = tuple[np.ndarray, np.ndarray]
"""What a metric takes: answers as if they were logits, and labels."""


def score(cell: Cell) -> float:
    """The task's first metric.

    Raises:
        UserError: the cell was not run.
    """
    return score_of(cell.task, record_of(cell)["answers"])


def predecessor_score(task: str) -> float:
    """The same of the predecessor."""
    return score_of(task, PREDECESSORS[task]["answers"])


def score_of(task: str, answers: str) -> float:
    """The task's first metric, of answers in the order of its validation examples."""
    return _metric(task, _predicted(task, answers))


@cache
def resampled(cell: Cell) -> np.ndarray:
    """The score on examples drawn with replacement, over and over; the draws are those of all cells of the task."""
    return _resampled(cell.task, record_of(cell)["answers"])


@cache
def predecessor_resampled(task: str) -> np.ndarray:
    """The same of the predecessor."""
    return _resampled(task, PREDECESSORS[task]["answers"])


def chosen_rate(method: str) -> float:
    """The learning rate that the search found best.

    Raises:
        UserError: the search is not done.
    """
    return max(RATES, key=lambda rate: searched_score(method, rate))


def searched_score(method: str, rate: float) -> float:
    """The mean over the tasks of the search."""
    return float(np.mean([score(Cell("main", task, HALF, method, rate, 1)) for task in SEARCHED]))


def _predicted(task: str, answers: str) -> Predicted:
    labels = PREDECESSORS[task]["labels"]
    found, truth = (np.array(line.split(), dtype=float) for line in (answers, labels))
    if TASKS[task].kind == "text-regression":
        return found[:, None], truth
    return np.eye(int(truth.max()) + 1)[found.astype(int)], truth.astype(int)


def _metric(task: str, predicted: Predicted) -> float:
    return METRICS[TASKS[task].metrics[0]](*predicted)


def _resampled(task: str, answers: str) -> np.ndarray:
    name, predicted = TASKS[task].metrics[0], _predicted(task, answers)
    if name == "f1":
        return _resampled_f1(*predicted)
    return resampled_scores(lambda *given: {name: METRICS[name](*given)}, *predicted, resamples=DRAWS)[name]


def _resampled_f1(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    # The draws are columns of one call: draw by draw, sklearn's checks take 20 times as long.
    drawn = np.stack(list(drawn_examples(len(labels), DRAWS)))
    scores: np.ndarray = f1_score(labels[drawn].T, logits.argmax(axis=1)[drawn].T, average=None, zero_division=0)
    return scores
