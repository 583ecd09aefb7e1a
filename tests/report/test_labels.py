from __future__ import annotations

import pytest
from theseus_plugin.report.labels import labels


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
def test_what_tells_paths_apart(models: list[str], expected: list[str]) -> None:
    assert labels([{"model": model} for model in models]) == expected


def test_equal_paths_are_told_apart_by_what_differs() -> None:
    eager = {"model": "a/x", "runtime": "torch-eager", "precision": "fp32"}
    compiled = {**eager, "runtime": "torch-compiled"}
    half = {**eager, "precision": "fp16"}
    other = {**eager, "model": "a/y"}
    assert labels([eager, compiled, other]) == ["x (PyTorch, eager)", "x (PyTorch, compiled)", "y"]
    assert labels([eager, half]) == ["x (fp32)", "x (fp16)"]
    assert labels([eager, eager, other]) == ["x (#1)", "x (#2)", "y"]
