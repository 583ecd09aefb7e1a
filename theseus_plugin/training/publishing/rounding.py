"""Weights train in fp32 and are saved in the precision of the checkpoint they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import cached_file

from theseus_plugin.loading.weights import INDEX, WEIGHTS, shard_names, tensors_of

_HALVES = {"BF16": torch.bfloat16, "F16": torch.float16}


@dataclass(frozen=True)
class Precisions:
    """What each weight of a checkpoint is stored in."""

    named: Mapping[str, torch.dtype]
    """By the weight's name."""
    usual: torch.dtype
    """That of most of the numbers, for weights that the checkpoint does not have, such as a new head's."""

    def rounded(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights as they are to be saved: each as the one of its name was. All in fp32 where fp16 is too narrow
        for one of them.
        """
        made = {
            name: tensor.to(self._of(name)) if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
        }
        fits = all(tensor.is_meta or torch.isfinite(tensor).all() for tensor in made.values())
        return made if fits else dict(weights)

    def _of(self, name: str) -> torch.dtype:
        """A bare encoder's checkpoint leaves out the name of the encoder."""
        return self.named.get(name) or self.named.get(name.partition(".")[2]) or self.usual


def precisions_of(checkpoint: str) -> Precisions:
    """Of a folder or hub name that was loaded before. What is neither bf16 nor fp16 counts as fp32."""
    named: dict[str, torch.dtype] = {}
    numbers: Counter[torch.dtype] = Counter()
    for file in _files(checkpoint):
        for name, (kind, shape) in tensors_of(file).items():
            if kind.startswith(("F", "BF")):
                named[name] = _HALVES.get(kind, torch.float32)
                numbers[named[name]] += torch.Size(shape).numel()
    return Precisions(named, numbers.most_common(1)[0][0] if numbers else torch.float32)


def name_precision(config: Any, weights: Mapping[str, Tensor]) -> None:
    """Let a model's configuration say what most of its weights are saved in, which is what they are loaded in."""
    numbers: Counter[torch.dtype] = Counter()
    for tensor in weights.values():
        if tensor.is_floating_point():
            numbers[tensor.dtype] += tensor.numel()
    dtype = numbers.most_common(1)[0][0]
    for part in [config, *(getattr(config, name, None) for name in config.sub_configs)]:
        if part is not None:
            part.dtype = dtype


def _files(checkpoint: str) -> list[Path]:
    whole, index = (
        cached_file(checkpoint, name, _raise_exceptions_for_missing_entries=False) for name in (WEIGHTS, INDEX)
    )
    if whole is not None:
        return [Path(whole)]
    return [Path(index).with_name(name) for name in shard_names(Path(index))] if index is not None else []
