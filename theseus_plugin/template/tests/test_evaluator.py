"""The evaluator on a tiny model."""

from __future__ import annotations

from typing import Any

import pytest
from theseus_plugin import UserError, bench


def test_the_count_is_that_of_the_formula(checkpoint: str, classification: dict[str, Any]) -> None:
    measured = bench([checkpoint], {"task": classification}, {"flop-count": {"length": 8}})
    blocks, width, inner, length, classes = 4, 16, 32, 8, 2
    products = blocks * (4 * length * width**2 + 2 * length**2 * width + 2 * length * width * inner)
    head = width**2 + width * classes
    assert measured["models"][0]["flop-count"] == {"flops": 2 * (products + head), "length": 8}


def test_a_path_that_is_no_model(classification: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        bench(["nowhere"], {"task": classification}, {"flop-count": {}})


def test_more_tokens_than_the_model_takes(checkpoint: str, classification: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="it takes 32 tokens at most: lower length"):
        bench([checkpoint], {"task": classification}, {"flop-count": {"length": 33}})
