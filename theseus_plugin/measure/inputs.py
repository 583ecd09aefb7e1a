"""Inputs of a given shape, made of real text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json

if TYPE_CHECKING:
    from theseus_plugin.contract import Features


def parse_shape(shape: str) -> tuple[int, int]:
    """Batch size and length in tokens of a shape written as `32x64`.

    Raises:
        ValueError: it is not written so.
    """
    batch, cross, length = shape.partition("x")
    if not (cross and batch.isdecimal() and length.isdecimal() and int(batch) and int(length)):
        raise ValueError(f"{shape!r} is no shape: write BATCHxLENGTH, such as 1x128")
    return int(batch), int(length)


def fill(examples: Sequence[Features], shape: str) -> dict[str, np.ndarray]:
    """Arrays of a shape without padding: the examples' tokens one after the other, repeated as needed."""
    batch, length = parse_shape(shape)
    arrays = {
        name: np.resize(np.concatenate([example[name] for example in examples]).astype(np.int64), (batch, length))
        for name in examples[0]
        if name != "labels"
    }
    arrays["attention_mask"] = np.ones((batch, length), dtype=np.int64)
    return arrays


def refuse_too_long(folder: Path, shapes: Sequence[str]) -> None:
    """Say which shape is longer than the model in `folder` has positions for.

    Raises:
        UserError: there is one.
    """
    positions = read_json(folder / "config.json").get("max_position_embeddings")
    for shape in shapes:
        if positions is not None and parse_shape(shape)[1] > positions:
            raise UserError(
                f"{folder}: shape {shape} is longer than the model's {positions} positions: set other shapes"
            )
