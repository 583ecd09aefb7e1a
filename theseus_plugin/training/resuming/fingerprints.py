"""Hashes of what a run reads, so that one that is resumed can tell whether it is still the same."""

from __future__ import annotations

import hashlib
import json
import marshal
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from theseus_plugin.contract import Features, TaskData

_TOGETHER = 1024
"""Examples that are hashed in one piece."""
_SAMPLE = 64
"""Examples of a split that makes them when they are asked for."""


def of_examples(data: TaskData) -> dict[str, str]:
    """By split, a hash of its examples as the run sees them.

    It is of all examples that are there already, in memory or in a data set's file. A split that makes examples when
    they are asked for, such as decoded images, tells its own by `fingerprint()`; without that, its texts count, and
    some examples, if they are the same each time they are made.
    """
    return {split: _of_split(examples, data.texts.get(split, ())) for split, examples in data.splits.items()}


def of_model(model: PreTrainedModel) -> str:
    """A hash of weights and configuration as they were loaded, whatever files they came from."""
    config = model.config.to_dict()
    for name in ("transformers_version", "_name_or_path", "dtype"):  # of the installation, the place, the loading
        config.pop(name, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _of_split(examples: Sequence[Features], texts: Sequence[tuple[str, ...]]) -> str:
    digest = hashlib.sha256(str(len(examples)).encode())
    if isinstance(examples, list | tuple):
        pieces = _in_memory(examples)
    elif hasattr(examples, "with_format"):  # of the library datasets
        pieces = _on_disk(examples)
    elif hasattr(examples, "fingerprint"):
        pieces = [str(examples.fingerprint()).encode()]
    else:
        pieces = _made_when_asked(examples, texts)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _in_memory(examples: Sequence[Features]) -> Iterable[bytes]:
    for start in range(0, len(examples), _TOGETHER):
        some = examples[start : start + _TOGETHER]
        yield ",".join(some[0]).encode()
        yield _bytes([_values(example) for example in some])


def _on_disk(examples: Any) -> Iterable[bytes]:
    for table in examples.with_format("arrow").iter(_TOGETHER):
        yield ",".join(table.column_names).encode()
        for batch in table.combine_chunks().to_batches():
            yield memoryview(batch.serialize())  # type: ignore[misc]  # a buffer


def _made_when_asked(examples: Sequence[Features], texts: Sequence[tuple[str, ...]]) -> Iterable[bytes]:
    for start in range(0, len(texts), _TOGETHER):
        yield json.dumps(texts[start : start + _TOGETHER]).encode()
    places = sorted({at * (len(examples) - 1) // (_SAMPLE - 1) for at in range(_SAMPLE)})
    once, again = (b"".join(_bytes(_values(examples[at])) for at in places) for _ in range(2))
    if once == again:
        yield once


def _values(example: Features) -> list[Any]:
    """Texts as bytes: of a text marshal also writes whether it is interned."""
    return [value.encode() if isinstance(value, str) else value for value in example.values()]


def _bytes(values: list[Any]) -> bytes:
    """Of nested lists of numbers and arrays. Version 2, as later ones write which objects are shared."""
    try:
        return marshal.dumps(values, 2)
    except ValueError:  # tensors, say
        return b"".join(_bytes(one) if isinstance(one, list) else np.asarray(one).tobytes() for one in values)
