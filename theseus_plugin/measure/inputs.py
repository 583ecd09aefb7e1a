"""What models are measured on, made of a task's validation examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Self

import numpy as np

from theseus_plugin.checkpoint import load_config
from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json
from theseus_plugin.loading.configuration import room_of
from theseus_plugin.measure.alike import Asked, marks, unlike
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.predict import has_tokens, lengths

if TYPE_CHECKING:
    from theseus_plugin.contract import Task, TaskData
    from theseus_plugin.measure.models import Model

LARGEST = 2**22
"""Tokens of a shape, or examples of one without a length: far more than fits the memory of most models."""
_DIGITS = 9


def parse_shape(shape: str) -> tuple[int, int | None]:
    """Batch size, and length in tokens if there is one, of a shape written as `32x64` or `32`.

    Raises:
        ValueError: it is not written so.
    """
    batch, cross, length = shape.partition("x")
    parts = (batch, length) if cross else (batch,)
    if not all(part.isdecimal() and len(part) <= _DIGITS and int(part) for part in parts):
        raise ValueError(f"{shape[:40]!r} is no shape: write BATCHxLENGTH, such as 1x128, or BATCH")
    if math.prod(map(int, parts)) > LARGEST:
        raise ValueError(f"{shape!r} is too large: at most {LARGEST:,} tokens, or examples, are run at once")
    return int(batch), int(length) if cross else None


class Inputs:
    """Batches of a task's validation examples, for one model.

    A shape `32x64` is 32 rows of 64 tokens without padding: the examples' tokens one after the other. A shape `32` is
    32 real examples, padded to the longest as the task does. Where examples are not token ids, as those of images, a
    shape has no length: `32x64` is taken for `32`.

    Args:
        data: the task's.
        end: the token that an encoder-decoder's head reads: rows of a shape hold it once, as their last token.
    """

    def __init__(self, data: TaskData, end: int | None = None) -> None:
        self.data, self._end = data, end
        self._examples = data.splits["validation"]
        self._tokens, self._lengths = has_tokens(self._examples), lengths(self._examples)

    @classmethod
    def of(cls, task: Task, model: Model) -> Self:
        """The validation examples of a task, for a model."""
        data, end = load_data(task, str(model.folder), splits=("validation",)), model.config.get("eos_token_id")
        return cls(data, end if model.config.get("is_encoder_decoder") and isinstance(end, int) else None)

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
            if isinstance(positions, int) and 0 < positions < (parse_shape(shape)[1] or 0):
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
        return self.collate(self.drawn(size)) if length is None else self._filled(size, length)

    def drawn(self, size: int) -> list[int]:
        """Numbers of the examples that a shape without a length is made of."""
        return [int(at) for at in np.resize(self.sample(size, seed=0), size)]

    def unlike(self, first: Inputs, chosen: Sequence[int]) -> str | None:
        """Why some examples are not the same as those of the first model, by their numbers; None: they are.

        Where they are texts, they are the same whatever tokens they become: how long that takes is what is asked.
        """
        asked = []
        for one in (first, self):
            texts = one.data.texts.get("validation")
            found = np.zeros((len(one._examples), 2), dtype=np.uint64)
            if texts is None and max(chosen) < len(found):
                batch = dict(one.data.collate([one._examples[at] for at in chosen]))
                found[list(chosen)] = marks(batch, batch.pop("labels"), one.data)
            asked.append(Asked(found, texts))
        return unlike(*asked)

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
            if self._end is None:
                arrays[name] = np.resize(tokens, (size, length))
                continue
            ends = np.concatenate([example["input_ids"] for example in enough]) == self._end
            inside, last = tokens[~ends], np.resize(tokens[ends] if ends.any() else self._end, (size, 1))
            row = np.resize(inside, (size, length - 1)) if len(inside) else np.repeat(last, length - 1, axis=1)
            arrays[name] = np.concatenate([row, last], axis=1)
        return arrays | {"attention_mask": np.ones((size, length), dtype=np.int64)}
