"""What a task hands over, checked where it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.toy_task import Sentences
from theseus_plugin.contract import TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.measure.statistics import intervals, resampled_scores
from theseus_plugin.plugins.task_data import load_data, unchecked


class Undefined(Sentences):
    """Scored by a metric that is none where only one class is there."""

    def load(self, checkpoint: str, splits: Sequence[str] = ("train",), new_head: bool = False) -> TaskData:
        def score(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
            both = len(np.unique(labels)) > 1
            return {"accuracy": np.float64((logits.argmax(-1) == labels).mean()) if both else float("nan")}

        return replace(super().load(checkpoint, splits, new_head), score=score)


def test_draws_on_which_a_metric_is_not_defined_have_no_say(predecessor: Path) -> None:
    """One example of four is of the other class: a third of the draws lack it."""
    data = load_data(Undefined(["good"] * 4, [0, 0, 0, 1]), str(predecessor), ["train"])
    logits, labels = np.array([[1.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    assert data.score(logits, labels) == {"accuracy": 0.75}
    drawn = resampled_scores(unchecked(data.score), logits, labels)["accuracy"]
    assert 0.2 < np.isnan(drawn).mean() < 0.4
    assert intervals({"accuracy": drawn})["accuracy"] == [0.25, 0.75]


def test_a_score_that_is_none_is_the_tasks(predecessor: Path) -> None:
    data = load_data(Undefined(["good"] * 2, [0, 0]), str(predecessor), ["train"])
    with pytest.raises(UserError, match=r"task 'sentences' breaks the contract, its score gives accuracy as nan"):
        data.score(np.array([[1.0, 0.0]] * 2), np.array([0, 0]))
