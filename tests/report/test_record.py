"""What is read from a record: names, noise, what counts as a difference and what may be compared."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.records import only, row, two
from theseus_plugin.report.record import bench_of
from theseus_plugin.report.timing import OWN_EXAMPLES, Timing, latency_of


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["runs/demo/predecessor", "runs/demo/successor"], ["predecessor", "successor"]),
        (["/a/b/one/onnx", "/a/b/two/onnx"], ["one", "two"]),
        (["/a/b/one/onnx", "/a/b/two/int8"], ["one/onnx", "two/int8"]),
        (["runs/pre", "runs/pre/onnx"], ["pre", "pre/onnx"]),
        (["runs/pre"], ["pre"]),
        (["."], ["."]),
        ([".", "runs/x"], [".", "runs/x"]),
        (["successor", "successors"], ["successor", "successors"]),
        (["hub/x@eager", "hub/x@compiled"], ["x@eager", "x@compiled"]),
        ([], []),
    ],
)
def test_a_name_is_what_tells_paths_apart(models: list[str], expected: list[str]) -> None:
    assert names([{"model": model} for model in models]) == expected


def names(records: list[dict[str, Any]]) -> list[str]:
    return [model.name for model in bench_of(records).models]


def test_equal_paths_are_told_apart_by_what_differs() -> None:
    eager = {"model": "a/x", "runtime": "torch-eager", "precision": "fp32"}
    compiled = {**eager, "runtime": "torch-compiled"}
    half = {**eager, "precision": "fp16"}
    other = {**eager, "model": "a/y"}
    assert names([eager, compiled, other]) == ["x (PyTorch, eager)", "x (PyTorch, compiled)", "y"]
    assert names([eager, half]) == ["x (fp32)", "x (fp16)"]
    assert names([eager, eager, other]) == ["x (#1)", "x (#2)", "y"]


def timing(
    median: float, low: float, high: float, control: tuple[float, float] | None = None, clear: bool | None = None
) -> Timing:
    fast = {"median": median, "interval": [low, high], "clear": not low <= 1 <= high if clear is None else clear}
    found = {"median_ms": 1.0, "times_as_fast": fast, **({"control": {"interval": list(control)}} if control else {})}
    [timing] = latency_of({"shapes": {"1x16": found}}, compared=True).timings.values()
    return timing


def test_noise_is_how_far_the_control_reaches_either_way() -> None:
    assert timing(2, 1.9, 2.1, (0.99, 1.03)).noise == pytest.approx(0.03)
    assert timing(2, 1.9, 2.1, (0.8, 1.03)).noise == pytest.approx(0.25)
    assert timing(2, 1.9, 2.1).noise is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (timing(2, 1.9, 2.1), True),
        (timing(0.5, 0.4, 0.6), True),
        (timing(1.1, 0.95, 1.2), False),  # the interval holds 1
        (timing(1.04, 1.02, 1.06, (0.95, 1.01)), False),  # within the noise of 5 %
        (timing(0.96, 0.95, 0.97, (0.95, 1.01)), False),
        (timing(0.94, 0.93, 0.95, (0.95, 1.01)), True),
        (timing(1.06, 1.02, 1.08, (0.95, 1.01)), True),
        (timing(2, 1.9, 2.1, clear=False), False),  # too few rounds
    ],
)
def test_what_is_a_difference(found: Timing, expected: bool) -> None:
    assert found.differs is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"device": "cuda"}, False),
        ({"threads": 1}, False),
        ({"cores": 1}, False),
        ({"spinning": True}, True),
    ],
)
def test_times_compare_under_like_conditions(change: dict[str, Any], expected: bool) -> None:
    first, second = two()
    second["latency"] |= change
    assert [model.comparable for model in bench_of([first, second]).models] == [True, expected]


def test_a_model_that_failed_compares_with_none() -> None:
    failed = {"model": "broken", "status": "failed", "error": "it broke"}
    assert [model.comparable for model in bench_of([*two(), failed]).models] == [True, True, False]
    assert [model.comparable for model in bench_of([failed, *two()]).models] == [False, False, False]


def test_any_part_may_be_missing() -> None:
    [model] = bench_of([{"model": "a"}]).models
    assert (model.ok, model.runtime, model.size.bytes, model.memory) == (True, None, None, None)
    assert (model.scores, model.timings, model.others, model.files) == ({}, {}, {}, [])
    empty = {"size": {}, "memory": {}, "accuracy": {}, "latency": {}}
    [model] = bench_of([{"model": "a", **empty}]).models
    assert (model.size.bytes, model.scores, model.timings) == (None, {}, {})
    assert bench_of([]).reference is None


def test_what_evaluators_of_others_found_is_kept_where_it_is_a_number_or_a_text() -> None:
    [first] = only(two()[:1], "size")
    first["flops"] = {"count": 5, "share": 0.25, "of": "text", "by_block": [1], "exact": True, "sha256": "f" * 64}
    [model] = bench_of([first]).models
    assert model.others == {"flops": {"count": 5, "share": 0.25, "of": "text", "sha256": "f" * 64}}
    assert model.files == [("runs/demo/predecessor/model.onnx", first["size"]["sha256"]), ("flops", "f" * 64)]


def test_models_are_ranked_on_their_own_examples_else_where_most_tokens_are() -> None:
    records = [row("p", 0.8, 1, 90), row("s", 0.8, 2, 45)]
    assert bench_of(records).reference == OWN_EXAMPLES
    del records[0]["latency"]["task"]
    found = bench_of(records).reference
    assert found is not None
    assert found.text == "32x64"
    records[0]["latency"]["shapes"] = {}
    assert bench_of(records).reference is None
