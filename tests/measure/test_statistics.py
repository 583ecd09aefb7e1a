import numpy as np
import pytest
from scipy import stats

from theseus_plugin.measure.statistics import (
    P90_COUNT,
    P99_COUNT,
    intervals,
    paired_interval,
    paired_intervals,
    ratio,
    resampled_scores,
    summary,
)
from theseus_plugin.tasks.metrics import scorer


def test_summary_of_scripted_rounds():
    record = summary([[10, 12, 14], [11, 13, 30], [9, 10, 11]])
    assert record["median_ms"] == 11
    assert record["mad_ms"] == 1  # deviations 1 1 3 0 2 19 2 1 0
    assert record["count"] == 9
    assert record["round_medians_ms"] == [12, 13, 10]
    assert not {"p90_ms", "p99_ms"} & set(record)


def test_interval_of_the_median_is_that_of_a_plain_bootstrap_over_rounds():
    random = np.random.default_rng(3)
    rounds = [list(random.normal(10 + at % 4, 1, size=size)) for at, size in enumerate([5, 8, 3, 9, 4, 7, 6, 2])]
    draws = random.integers(8, size=(20_000, 8))
    medians = [np.median(np.concatenate([rounds[at] for at in draw])) for draw in draws]
    assert summary(rounds)["interval_ms"] == pytest.approx(np.percentile(medians, [2.5, 97.5]), abs=0.15)
    assert summary(rounds) == summary(rounds)


def test_interval_of_every_possible_draw_of_two_rounds():
    # AA, AB, BA, BB: medians 2, 6, 6, 10 (of four pooled calls the mean of the middle two)
    assert summary([[1, 3], [9, 11]])["interval_ms"] == [2, 10]
    assert summary([[1, 3]])["interval_ms"] == [2, 2]


def test_rounds_that_agree_leave_no_doubt():
    record = summary([[5, 5, 6]] * 7)
    assert record["interval_ms"] == [5, 5]


@pytest.mark.parametrize(("count", "share"), [(P90_COUNT, 0.1), (P99_COUNT, 0.01)])
def test_the_least_counts_follow_from_the_binomial_bound(count, share):
    assert stats.binom.cdf(1, count, share) < 0.01 <= stats.binom.cdf(1, count - 1, share)


def test_percentiles_only_where_there_are_calls_enough_for_them():
    assert "p90_ms" not in summary([[1.0] * 63])
    assert "p90_ms" in summary([[1.0] * 32, [2.0] * 32])
    assert "p99_ms" not in summary([[1.0] * 661])
    record = summary([list(range(1, 1002))])
    assert (record["p90_ms"], record["p99_ms"]) == (901, 991)


def test_ratios_are_taken_within_a_round():
    # the machine slows down to a third for the second round: the ratio does not notice
    fast = ratio([[10, 10], [30, 30], [12, 12]], [[5, 5], [15, 15], [4, 4]])
    assert (fast["rounds"], fast["median"], fast["interval"]) == ([2, 2, 3], 2, [2, 3])


def test_a_ratio_is_clear_if_its_interval_excludes_one_and_rounds_are_not_few():
    ten = [[10.0]] * 8
    assert ratio(ten, [[9.0]] * 8)["clear"]
    assert ratio(ten, [[11.0]] * 8)["clear"]  # clearly slower
    assert not ratio(ten, ten)["clear"]
    assert not ratio(ten, [[9.0]] * 4 + [[11.0]] * 4)["clear"]
    assert not ratio(ten[:4], [[5.0]] * 4)["clear"]


def accuracy(logits, labels):
    return {"accuracy": float((logits.argmax(-1) == labels).mean())}


def one_hot(ids):
    return np.eye(2)[ids]


def test_interval_of_a_score_is_that_of_the_binomial():
    labels = np.zeros(400, dtype=int)
    logits = one_hot([0] * 300 + [1] * 100)
    low, high = intervals(resampled_scores(accuracy, logits, labels))["accuracy"]
    expected = stats.binom.ppf([0.025, 0.975], 400, 0.75) / 400
    assert (low, high) == (pytest.approx(expected[0], abs=0.008), pytest.approx(expected[1], abs=0.008))


def test_a_paired_difference_knows_what_the_models_share():
    random = np.random.default_rng(0)
    labels = random.integers(2, size=500)
    wrong = random.random(500) < 0.3
    a = np.where(wrong, 1 - labels, labels)
    b = a.copy()
    b[:10] = 1 - labels[:10]  # b fails on ten examples more, less those where a failed
    lost = int((~wrong[:10]).sum())
    low, high = paired_interval(accuracy, one_hot(b), one_hot(a), labels)["accuracy"]
    assert low < -lost / 500 < high < 0  # though both intervals are 8 % wide and overlap
    assert high - low < 0.03
    assert paired_interval(accuracy, one_hot(a), one_hot(a), labels) == {"accuracy": [0, 0]}


def test_the_draws_are_the_same_for_every_model_and_every_time():
    labels = np.array([0, 1] * 20)
    logits = one_hot([0] * 40)
    flipped = resampled_scores(accuracy, one_hot([1] * 40), 1 - labels)  # a head that numbers its labels otherwise
    same = resampled_scores(accuracy, logits, labels)
    assert paired_intervals(same, flipped) == {"accuracy": [0, 0]}
    assert (resampled_scores(accuracy, logits, labels, seed=1)["accuracy"] != same["accuracy"]).any()


def test_draws_that_cannot_be_judged_are_left_out():
    def picky(logits, labels):
        if len(set(labels)) < 2:
            raise ValueError("one class only")
        return {"judged": 1.0, "sometimes": float("nan") if labels[0] else 2.0, "never": float("nan")}

    labels = np.array([0, 1, 1])
    found = intervals(resampled_scores(picky, np.zeros((3, 2)), labels))
    assert found == {"judged": [1, 1], "sometimes": [2, 2]}
    assert intervals(resampled_scores(picky, np.zeros((1, 2)), np.array([1]))) == {}


def test_real_metrics_take_it():
    labels = np.array([0, 1, 1, 0, 1])
    scores = resampled_scores(scorer(["accuracy", "f1", "matthews"]), one_hot([0, 1, 0, 0, 1]), labels, 50)
    assert set(intervals(scores)) == {"accuracy", "f1", "matthews"}
