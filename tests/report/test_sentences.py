"""What is said of a bench, and what is not claimed. How all of it is worded stands on the golden page."""

from __future__ import annotations

import pytest

from tests.report.records import only, row, two
from theseus_plugin.report.record import bench_of
from theseus_plugin.report.sentences import findings, how, warnings


def test_a_sentence_per_model_with_what_got_worse() -> None:
    records = [row("runs/six", 0.8, 1, 200, first=0.8), row("runs/three", 0.76, 1.9, 150, blocks=3, first=0.8)]
    for record in records:
        record["latency"]["shapes"] = {"1x16": record["latency"]["shapes"]["1x16"]}
    assert findings(bench_of(records)) == [
        "three against six: accuracy 76.00 of 80.00, 95.0 % of it (difference -4.00, 95 % interval -4.80 to -3.20); "
        "as fast: 1.90x at 1x16, 1.90x on own examples; 75 % of the bytes; 3 of 6 blocks; 75 % of the peak memory."
    ]


def test_models_measured_otherwise_are_not_compared_in_speed() -> None:
    records = two()
    assert warnings(bench_of(records)) == []
    records[1]["latency"]["device"] = "cuda"
    [sentence], [warning] = findings(bench_of(records)), warnings(bench_of(records))
    assert "as fast" not in sentence
    assert "52 % of the bytes" in sentence
    assert warning.startswith("successor was not measured like the first model")


def test_what_was_not_measured_is_not_mentioned() -> None:
    assert findings(bench_of([{"model": "a"}, {"model": "b", "size": {"bytes": 1}}])) == []
    sizes = bench_of(only(two(), "size"))
    assert findings(sizes) == ["successor against predecessor: 52 % of the bytes; 3 of 6 blocks."]
    assert how(sizes) == []
    assert findings(bench_of(two()[:1])) == findings(bench_of([])) == []


@pytest.mark.parametrize(("shapes", "expected"), [(["8"], True), (["32x64"], False), (["32x64", "8"], True)])
def test_batches_of_real_examples_are_said_to_be_padded(shapes: list[str], expected: bool) -> None:
    records = two()
    for record in records:
        record["latency"]["shapes"] = dict.fromkeys(shapes, record["latency"]["shapes"]["32x64"])
        del record["latency"]["task"]["lengths"], record["latency"]["end_to_end"]
    times, *_, own, _, _ = how(bench_of(records))
    assert ("or by batch of real examples, padded" in times) is expected
    assert own == "Own examples: 256 of the task's, one at a time."
