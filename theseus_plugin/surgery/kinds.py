"""Tell the kinds of blocks of one stack apart: local and global attention, dense and sparse, recurrent and not."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from torch import nn
from transformers import PretrainedConfig

Features = Mapping[str, Hashable]
_TYPES = "config."
_INDEX = re.compile(r"(idx|index|number|_id)$")


class Kinds:
    """What tells the blocks of a stack apart, and which kind each is of.

    Blocks differ in what the config lists for each (`layer_types`, `mlp_layer_types`, `no_rope_layers`), in their
    modules, in the shapes of their weights, and in plain attributes such as the width of an attention window. What
    numbers the blocks does not make a kind of each, nor does what the first or the last one alone has, such as T5's
    table of positions: the model builds that by its place.

    Args:
        config: of the model.
        blocks: of one stack.
    """

    def __init__(self, config: PretrainedConfig, blocks: nn.ModuleList) -> None:
        rows = _features(config, blocks)
        keys = dict.fromkeys(key for row in rows for key in row)
        self._keys = [key for key in keys if _tells_apart(key, [row.get(key) for row in rows])]
        self._named: dict[tuple[Hashable, ...], str] = {}
        self.of = [self._name(row) for row in rows]
        """The kind of each block, by a name to show."""

    @property
    def differ(self) -> bool:
        """Whether there is more than one."""
        return len(set(self.of)) > 1

    def among(self, config: PretrainedConfig, blocks: nn.ModuleList) -> list[str]:
        """The kind of each block of another model of the architecture; one that this one has not is `other`."""
        return [self._named.get(self._signature(block), "other") for block in _features(config, blocks)]

    def _signature(self, block: Features) -> tuple[Hashable, ...]:
        return tuple(block.get(key) for key in self._keys)

    def _name(self, block: Features) -> str:
        signature = self._signature(block)
        if signature not in self._named:
            types = [str(block[key]) for key in self._keys if key.startswith(_TYPES) and isinstance(block[key], str)]
            others = [f"{key.removeprefix(_TYPES)}={block.get(key)}" for key in self._keys]
            name = "/".join(types) or next(iter(others), "")
            if name in self._named.values():
                told = [other for other in others if not any(other in used for used in self._named.values())]
                name += f" ({told[0] if told else len(self._named) + 1})"
            self._named[signature] = name
        return self._named[signature]


def _features(config: PretrainedConfig, blocks: nn.ModuleList) -> list[dict[str, Hashable]]:
    found: list[dict[str, Hashable]] = [features(block) for block in blocks]
    for name, value in config.to_dict().items():
        if "layer" in name or "block" in name:
            listed = isinstance(value, list | tuple) and len(value) == len(blocks)
            for at, entry in enumerate(value if listed else ()):
                if isinstance(entry, Hashable):
                    found[at][_TYPES + name] = entry
    return found


def features(block: nn.Module) -> dict[str, Hashable]:
    """By path: the classes of its modules, the shapes of its weights, and attributes that are plain values."""
    found: dict[str, Hashable] = {}
    for path, part in block.named_modules():
        found[f"{path} is"] = type(part).__name__
        for name, tensor in part._parameters.items():
            found[f"{path}.{name}".lstrip(".")] = None if tensor is None else str(list(tensor.shape))
        for name, value in vars(part).items():
            if not name.startswith("_") and isinstance(value, int | float | str) and name != "training":
                found[f"{path}.{name}".lstrip(".")] = value
    return found


def _tells_apart(key: str, values: Sequence[Hashable]) -> bool:
    if len(set(values)) == 1 or _numbers(key, values):
        return False
    ends = (values[1:], values[:-1])
    return key.startswith(_TYPES) or all(len(set(rest)) > 1 for rest in ends)


def _numbers(key: str, values: Sequence[Any]) -> bool:
    """Whether they are a number of each block's own: its index, or what grows with it, such as a rate of dropout."""
    given = [value for value in values if value is not None]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
    return plain and (_INDEX.search(key) is not None or (len(given) > 1 and len(set(given)) == len(given)))
