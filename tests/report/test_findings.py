from __future__ import annotations

from theseus_plugin.report.findings import findings

from tests.report.records import only, row, two


def test_a_sentence_per_model_with_what_got_worse() -> None:
    records = [row("runs/six", 0.8, 1, 200, first=0.8), row("runs/three", 0.76, 1.9, 150, blocks=3, first=0.8)]
    for record in records:
        record["latency"]["shapes"] = {"1x16": record["latency"]["shapes"]["1x16"]}
    assert findings(records) == [
        "three against six: accuracy 76.00 of 80.00, 95.0 % of it (difference -4.00, 95 % interval -4.80 to -3.20); "
        "as fast: 1.90x at 1x16, 1.90x on own examples; 75 % of the bytes; 3 of 6 blocks; 75 % of the peak memory."
    ]


def test_what_may_be_chance_is_no_claim() -> None:
    records = [row("six", 0.8, 1, 200, first=0.8), row("b", 0.801, 1.01, 200, first=0.8)]
    [sentence] = findings(records)
    assert "1.01x at 1x16 (no clear difference)" in sentence
    assert "(difference +0.10, 95 % interval -0.70 to +0.90, no clear difference)" in sentence
    assert "blocks" not in sentence


def test_models_measured_otherwise_are_not_compared_in_speed() -> None:
    records = two()
    records[1]["latency"]["threads"] = 1
    [sentence] = findings(records)
    assert "as fast" not in sentence
    assert "52 % of the bytes" in sentence


def test_what_was_not_measured_is_not_mentioned() -> None:
    assert findings([{"model": "a"}, {"model": "b", "size": {"bytes": 1}}]) == []
    assert findings(only(two(), "size")) == ["successor against predecessor: 52 % of the bytes; 3 of 6 blocks."]


def test_one_model_needs_no_comparison() -> None:
    assert findings(two()[:1]) == []
    assert findings([]) == []
