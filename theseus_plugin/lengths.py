"""How long examples are, without making any of those that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.contract import Features


def has_tokens(examples: Sequence[Features]) -> bool:
    """Whether examples are token ids, so that they have a length; images have none."""
    return "input_ids" in examples[0]


def lengths(examples: Sequence[Features]) -> list[int]:
    """Length in tokens of each example; 0 for all where they have none."""
    return [len(example["input_ids"]) for example in examples] if has_tokens(examples) else [0] * len(examples)
