"""From what is said of paths to ranks, and from ranks to Hits and MRR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from theseus_plugin.measure.statistics import mean_interval
from theseus_plugin.relations.config import Aggregator

RULES = ("mean", "optimistic", "pessimistic", "paper")
"""How ties count; see `ranks`."""
_HITS = (1, 10)
Scores = Sequence[np.ndarray]
"""Of each candidate the log-odds of its paths, the true candidate first; none where it has no path."""


def aggregated(log_odds: np.ndarray, aggregator: Aggregator) -> float:
    """What the paths of a fact say together, as log-odds: the greater the likelier, minus infinity without any.

    `max`: the best path decides. `mean`: of the probabilities. `noisy-or`: 1 - prod(1 - p), so that every path can
    make it true by itself. In log-odds, since probabilities near 1 are all the same number.
    """
    if not len(log_odds):
        return -np.inf
    values = log_odds.astype(np.float64)
    if aggregator == "max":
        return float(values.max())
    log_false = -np.logaddexp(0, values)  # log(1 - p)
    if aggregator == "mean":
        log_true = -np.logaddexp(0, -values)
        return float(np.logaddexp.reduce(log_true) - np.logaddexp.reduce(log_false))
    none_true = log_false.sum()
    return float(np.log(-np.expm1(none_true)) - none_true)


def ranks(scores: Scores, aggregator: Aggregator) -> dict[str, float]:
    """The rank of the true candidate by each rule.

    `optimistic`: it is before all that score the same; `pessimistic`: behind them; `mean`: between the two. Candidates
    without a path score the same, less than all others. `paper`: BERTRL's, whatever the aggregator: candidates are
    compared by their best path, then by the next one, and so on, more paths being better than none left; of equals the
    true one is first; without a path it is last.
    """
    together = np.array([aggregated(one, aggregator) for one in scores])
    before, equal = int((together > together[0]).sum()), int((together == together[0]).sum())
    optimistic, pessimistic = before + 1, before + equal
    return {
        "mean": (optimistic + pessimistic) / 2,
        "optimistic": optimistic,
        "pessimistic": pessimistic,
        "paper": _by_the_paper(scores),
    }


def summary(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Hits@1, Hits@10 and MRR of the ranks of many queries, by rule, with their intervals (95 %, queries drawn with
    replacement).
    """
    rules: dict[str, Any] = {}
    for rule in RULES:
        of = np.array([one[rule] for one in found])
        values = {**{f"hits@{count}": of <= count for count in _HITS}, "mrr": 1 / of}
        rules[rule] = {name: float(each.mean()) for name, each in values.items()}
        rules[rule]["intervals"] = {name: mean_interval(each) for name, each in values.items()}
    return rules


def _by_the_paper(scores: Scores) -> int:
    if not len(scores[0]):
        return len(scores)
    true, *others = (sorted(one.tolist(), reverse=True) for one in scores)
    return 1 + sum(other > true for other in others)
