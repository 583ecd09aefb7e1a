from __future__ import annotations

from theseus_plugin.measure.findings import findings


def record(name: str, score: float, ratio: tuple[float, float, float], size: int, blocks: int) -> dict:
    fast = dict(zip(("median", "min", "max"), ratio, strict=True))
    return {
        "model": name,
        "accuracy": {"metric": "f1", "metrics": {"f1": score}},
        "latency": {"shapes": {"1x16": {"median_ms": 1.0, "times_as_fast": fast}}},
        "size": {"bytes": size, "blocks": blocks},
    }


def test_a_sentence_per_model_with_what_got_worse() -> None:
    first = record("six", 0.8, (1, 1, 1), 200, 6)
    assert findings([first, record("three", 0.76, (1.9, 1.8, 2.0), 150, 3)]) == [
        "three against six: f1 76.00 of 80.00, 95.0 % of it; as fast: 1.90x at 1x16; 75 % of the bytes; 3 of 6 blocks."
    ]


def test_a_ratio_whose_rounds_lie_on_both_sides_of_one_is_no_claim() -> None:
    first = record("six", 0.8, (1, 1, 1), 200, 6)
    assert "1.10x at 1x16 (within the noise)" in findings([first, record("b", 0.8, (1.1, 0.9, 1.3), 200, 6)])[0]


def test_what_was_not_measured_is_not_mentioned() -> None:
    assert findings([{"model": "a"}, {"model": "b", "size": {"bytes": 1}}]) == []


def test_one_model_needs_no_comparison() -> None:
    assert findings([record("six", 0.8, (1, 1, 1), 200, 6)]) == []
