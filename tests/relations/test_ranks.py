from __future__ import annotations

import math

import numpy as np
import pytest

from theseus_plugin.relations.ranks import aggregated, ranks, summary


def scores(*candidates: list[float]) -> list[np.ndarray]:
    return [np.array(one, dtype=np.float32) for one in candidates]


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_aggregators_against_probabilities() -> None:
    odds = np.array([-1.5, 0.25, 2.0])
    probabilities = 1 / (1 + np.exp(-odds))
    assert aggregated(odds, "max") == 2.0
    assert aggregated(odds, "mean") == pytest.approx(log_odds(probabilities.mean()))
    assert aggregated(odds, "noisy-or") == pytest.approx(log_odds(1 - np.prod(1 - probabilities)))
    for aggregator in ("max", "mean", "noisy-or"):
        assert aggregated(np.array([0.7]), aggregator) == pytest.approx(0.7)
        assert aggregated(np.array([]), aggregator) == -np.inf


def test_what_rounds_to_the_same_probability_is_told_apart() -> None:
    surer, sure = np.array([60.0], dtype=np.float32), np.array([50.0], dtype=np.float32)
    assert 1 / (1 + np.exp(-surer)) == 1 / (1 + np.exp(-sure))
    for aggregator in ("max", "mean", "noisy-or"):
        assert aggregated(surer, aggregator) > aggregated(sure, aggregator)
        assert aggregated(-sure, aggregator) > aggregated(-surer, aggregator)


def test_ranks_listed_by_hand() -> None:
    found = ranks(scores([1.0], [2.0], [1.0], [1.0, 0.5], [], []), "max")
    # 2.0 is before it; two more have 1.0, of which the paper puts the one with another path before it
    assert found == {"mean": 3.0, "optimistic": 2, "pessimistic": 4, "paper": 3}


def test_the_next_path_decides_by_the_paper_alone() -> None:
    found = ranks(scores([1.0, 0.5], [1.0, 0.6], [1.0, 0.4, 0.3], [1.0]), "max")
    assert found == {"mean": 2.5, "optimistic": 1, "pessimistic": 4, "paper": 2}


def test_a_true_fact_without_a_path() -> None:
    found = ranks(scores([], [-9.0], [], []), "noisy-or")
    assert found == {"mean": 3.0, "optimistic": 2, "pessimistic": 4, "paper": 4}


def test_all_that_is_said_of_ranks() -> None:
    found = summary([{rule: rank for rule in ("mean", "optimistic", "pessimistic", "paper")} for rank in (1, 2, 20)])
    assert found["paper"]["hits@1"] == pytest.approx(1 / 3)
    assert found["paper"]["hits@10"] == pytest.approx(2 / 3)
    assert found["mean"]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 20) / 3)
    low, high = found["mean"]["intervals"]["mrr"]
    assert 1 / 20 <= low < found["mean"]["mrr"] < high <= 1
