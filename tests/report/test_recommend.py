"""Which model is recommended, and when none is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.records import only, ratio, row, six, two
from theseus_plugin.report.recommend import KEEP
from theseus_plugin.report.recommend import recommendation as of_bench
from theseus_plugin.report.record import bench_of


def recommendation(records: list[dict[str, Any]], keep: float = KEEP) -> str | None:
    return of_bench(bench_of(records), keep)


def test_the_fastest_of_those_that_keep_the_metric() -> None:
    sentence = recommendation(six())
    assert sentence == (
        "Deploy successor-onnx-int8-dynamic instead of predecessor-onnx: accuracy 82.22 of 82.73, 99.4 % of it "
        "(difference -0.51, 95 % interval -1.31 to +0.29, no clear difference), though 1556 examples do not prove "
        "that 99 % are kept; 4.20 times as fast (4.12-4.28) on the task's own examples, one at a time; 14 % of the "
        "bytes (12.3 of 90.9 MB)."
    )


def test_a_faster_one_that_loses_too_much_is_passed_over() -> None:
    records = [row("a/p", 0.8, 1, 90, first=0.8), row("a/s", 0.795, 2, 45, first=0.8), row("a/t", 0.791, 4, 20)]
    assert str(recommendation(records)).startswith("Deploy s instead of p")  # 0.791 < 0.99 * 0.8 = 0.792
    assert str(recommendation(records, keep=0.98)).startswith("Deploy t instead of p")
    assert "though" not in str(recommendation(records, keep=0.98))


def test_proof_of_keeping_needs_no_reservation() -> None:
    # 0.8 points around +0.5 lie above -1 % of 80
    assert "though" not in str(recommendation([row("p", 0.8, 1, 90, first=0.8), row("s", 0.805, 2, 45, first=0.8)]))


def test_nothing_else_keeps_the_metric() -> None:
    records = [
        row("p", 0.8, 1, 90, first=0.8),
        row("s", 0.75, 2, 45, first=0.8),
        row("t", 0.7, 4, 20, first=0.8),
    ]
    sentence = str(recommendation(records))
    assert sentence.startswith("Stay with p: no other model keeps 99 % of its accuracy; s came closest: accuracy 75.00")
    assert "93.8 % of it" in sentence  # 0.75 / 0.8
    assert "2.00 times as fast" in sentence


@pytest.mark.parametrize(("times", "megabytes"), [(0.9, 45), (1.005, 90), (1.005, 95)])
def test_what_is_neither_clearly_faster_nor_smaller_at_the_same_speed_is_not_deployed(
    times: float, megabytes: float
) -> None:
    sentence = str(recommendation([row("p", 0.8, 1, 90, first=0.8), row("s", 0.8, times, megabytes, first=0.8)]))
    assert sentence.startswith("Stay with p: of the models that keep 99 % of its accuracy none is faster; s came")


def test_smaller_at_the_same_speed_is_deployed() -> None:
    sentence = str(recommendation([row("p", 0.8, 1, 90, first=0.8), row("s", 0.8, 1.005, 45, first=0.8)]))
    assert sentence.startswith("Deploy s instead of p")
    assert "no clear difference in speed on the task's own examples" in sentence


def test_bytes_decide_within_the_noise() -> None:
    first = row("p", 0.8, 1, 90, first=0.8)
    faster, smaller = row("f", 0.8, 2.05, 45, first=0.8), row("s", 0.8, 2.0, 20, first=0.8)
    assert str(recommendation([first, faster, smaller])).startswith("Deploy s")  # 2.01-2.09 and 1.96-2.04 overlap
    for record in (faster, smaller):
        own = record["latency"]["task"]
        own["times_as_fast"] = ratio(own["times_as_fast"]["median"], width=0.001)
    assert str(recommendation([first, faster, smaller])).startswith("Deploy f")  # 2.5 % apart, noise 1.2 %
    for record in (first, faster, smaller):
        record["latency"]["task"]["control"] = ratio(1.0, width=0.03)
    assert str(recommendation([first, faster, smaller])).startswith("Deploy s")


def test_without_own_examples_the_shape_with_the_most_tokens_decides() -> None:
    records = [row("p", 0.8, 1, 90, first=0.8), row("s", 0.8, 2, 45, first=0.8), row("t", 0.8, 3, 45, first=0.8)]
    for record in records:
        del record["latency"]["task"]
    assert "3.00 times as fast (2.94-3.06) at 32x64;" in str(recommendation(records))
    del records[2]["latency"]["shapes"]["32x64"]
    assert str(recommendation(records)).startswith("Deploy s")


@pytest.mark.parametrize(
    "change",
    [{"status": "failed"}, {"latency": {**two()[1]["latency"], "device": "cuda"}}, {"accuracy": {}}, {"latency": {}}],
)
def test_only_what_is_comparable_takes_part(change: dict) -> None:
    records = [
        row("p", 0.8, 1, 90, first=0.8),
        {**row("s", 0.8, 4, 45, first=0.8), **change},
        row("t", 0.8, 2, 45, first=0.8),
    ]
    assert str(recommendation(records)).startswith("Deploy t")
    assert recommendation(records[:2]) is None


def test_no_sentence_without_accuracy_or_latency_or_a_choice() -> None:
    assert recommendation(only(two(), "accuracy", "size")) is None
    assert recommendation(only(two(), "latency", "size")) is None
    assert recommendation(two()[:1]) is None
    assert recommendation([]) is None
    assert recommendation([row("p", 0.0, 1, 90), row("s", 0.1, 2, 45)]) is None


def test_without_bytes_or_intervals_the_rest_is_said() -> None:
    records = only(two(), "accuracy", "latency")
    for record in records:
        del record["accuracy"]["difference"]
    assert recommendation(records) == (
        "Deploy successor instead of predecessor: accuracy 82.19 of 82.73, 99.3 % of it; 2.26 times as fast "
        "(2.21-2.31) on the task's own examples, one at a time."
    )
