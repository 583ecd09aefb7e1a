"""What models are measured on, made of a task's validation examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.checkpoint import load_config
from theseus_plugin.configuration import room_of
from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json
from theseus_plugin.lengths import has_tokens, lengths

if TYPE_CHECKING:
    from theseus_plugin.contract import TaskData


def parse_shape(shape: str) -> tuple[int, int | None]:
    """Batch size, and length in tokens if there is one, of a shape written as `32x64` or `32`.

    Raises:
        ValueError: it is not written so.
    """
    batch, cross, length = shape.partition("x")
    if not all(part.isdecimal() and int(part) for part in ((batch, length) if cross else (batch,))):
        raise ValueError(f"{shape!r} is no shape: write BATCHxLENGTH, such as 1x128, or BATCH")
    return int(batch), int(length) if cross else None


class Inputs:
    """Batches of a task's validation examples, for one model.

    A shape `32x64` is 32 rows of 64 tokens without padding: the examples' tokens one after the other. A shape `32` is
    32 real examples, padded to the longest as the task does. Where examples are not token ids, as those of images, a
    shape has no length: `32x64` is taken for `32`.
    """

    def __init__(self, data: TaskData) -> None:
        self.data = data
        self._examples = data.splits["validation"]
        self._tokens, self._lengths = has_tokens(self._examples), lengths(self._examples)

    def shapes(self, shapes: Sequence[str], folder: Path) -> list[str]:
        """The shapes as they are made and named here, each once.

        Raises:
            UserError: one is longer than the model in `folder` has positions for.
        """
        if not self._tokens:
            return list(dict.fromkeys(str(parse_shape(shape)[0]) for shape in shapes))
        fields = read_json(folder / "config.json")
        # a model of another toolkit need not be one that transformers knows
        if "model_type" in fields:
            positions = room_of(load_config(str(folder))).positions
        else:
            positions = fields.get("max_position_embeddings", fields.get("n_positions"))
        for shape in shapes:
            if positions is not None and (parse_shape(shape)[1] or 0) > positions:
                raise UserError(
                    f"{folder}: shape {shape} is longer than the model's {positions} positions: set other shapes"
                )
        return list(dict.fromkeys(shapes))

    def batch(self, shape: str) -> dict[str, np.ndarray]:
        """Arrays of a shape.

        Raises:
            UserError: a length is asked for, and a feature is not one number per token.
        """
        size, length = parse_shape(shape)
        if length is None:
            chosen = np.resize(self.sample(size, seed=0), size)
            return self.collate([int(at) for at in chosen])
        return self._filled(size, length)

    def collate(self, chosen: Sequence[int]) -> dict[str, np.ndarray]:
        """The examples with these numbers, padded to the longest among them."""
        batch = self.data.collate([self._examples[at] for at in chosen])
        return {name: array for name, array in batch.items() if name != "labels"}

    def sample(self, count: int, seed: int) -> list[int]:
        """Numbers of up to `count` examples whose lengths are spread as those of all: one drawn from each of `count`
        equal parts of the examples in order of length. From the shortest to the longest.
        """
        random = np.random.default_rng(seed)
        shuffled = random.permutation(len(self._examples))
        by_length = shuffled[np.argsort(np.array(self._lengths)[shuffled], kind="stable")]
        parts = np.array_split(by_length, min(count, len(by_length)))
        return [int(random.choice(part)) for part in parts]

    def lengths(self, chosen: Sequence[int]) -> dict[str, int] | None:
        """Lengths in tokens of the shortest, the median and the longest of some examples; None without tokens."""
        if not self._tokens:
            return None
        chosen_lengths = [self._lengths[at] for at in chosen]
        return {"min": min(chosen_lengths), "median": median_low(chosen_lengths), "max": max(chosen_lengths)}

    def _filled(self, size: int, length: int) -> dict[str, np.ndarray]:
        enough = self._examples[: size * length]  # each has a token at least
        arrays = {}
        for name in enough[0]:
            if name == "labels":
                continue
            if [np.shape(example[name]) for example in enough] != [(n,) for n in lengths(enough)]:
                raise UserError(
                    f"shape {size}x{length} cannot be made: {name!r} is not one number per token; write {size}"
                )
            tokens = np.concatenate([example[name] for example in enough]).astype(np.int64)
            arrays[name] = np.resize(tokens, (size, length))
        return arrays | {"attention_mask": np.ones((size, length), dtype=np.int64)}
