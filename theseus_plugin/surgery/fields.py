"""What a config says of its blocks, for fewer of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PretrainedConfig

from theseus_plugin.quiet import quiet

_OF_BLOCKS = re.compile(r"layer|block")
_NUMBERS_OF_BLOCKS = re.compile(r"layers|_idx|_ind(ex|ices)")
_STAGES = ("out_features", "out_indices")
"""What a model that can be a backbone gives out, by the names and numbers of its blocks."""


def shortened(
    config: PretrainedConfig,
    kept: Mapping[str, Iterable[int]],
    types: Mapping[str, Iterable[int]] | None = None,
    whole: Sequence[str] = (),
) -> PretrainedConfig:
    """A copy of `config` for fewer blocks, as stock transformers reads it back.

    What goes with it: the depth, every list with an entry per block (`layer_types`), lists of the numbers of blocks
    (`mlp_only_layers`), and mappings from them (`per_layer_config`). Fields that stock derives are derived anew.

    Args:
        config: of the deeper model.
        kept: by depth field, the block that each new one takes its entries from.
        types: the same for `layer_types`, which follow the place of a block, not its weights; default: `kept`.
        whole: lists that are as long as a stack is deep, but have no entry per block.
    """
    content = copy.deepcopy(config.to_dict())
    chosen = {field: list(blocks) for field, blocks in kept.items()}
    placed = {field: list(blocks) for field, blocks in (types or kept).items()}
    for name, value in list(content.items()):
        for field, blocks in chosen.items():
            depth = getattr(config, field)
            if name in _STAGES or name == "stage_names":
                content.pop(name, None)
            elif _numbers_blocks(name, value, depth):
                content[name] = [new for new, old in enumerate(blocks) if old in value]
            elif isinstance(value, list | tuple) and len(value) == depth and name not in whole:
                content[name] = [value[i] for i in (placed if name == "layer_types" else chosen)[field]]
            elif _maps_blocks(name, value, depth):
                by_number = {int(number): of_block for number, of_block in value.items()}
                content[name] = {new: by_number[old] for new, old in enumerate(blocks) if old in by_number}
    content |= {field: len(blocks) for field, blocks in chosen.items()}
    with quiet():
        shorter = type(config).from_dict(content)
    shorter._attn_implementation = config._attn_implementation
    return shorter


def lists_as_long(config: PretrainedConfig, depth: int) -> list[str]:
    """Names of lists that may have an entry per block by their length, and do not tell by their name."""
    return [
        name
        for name, value in config.to_dict().items()
        if isinstance(value, list | tuple) and len(value) == depth and not _OF_BLOCKS.search(name)
    ]


def _numbers_blocks(name: str, value: Any, depth: int) -> bool:
    """Whether a list names blocks by their numbers, in order, as `mlp_only_layers: [0, 5]` does."""
    if not isinstance(value, list | tuple) or not value or not _NUMBERS_OF_BLOCKS.search(name):
        return False
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in value)
    return whole and list(value) == sorted(set(value)) and 0 <= value[0] < depth


def _maps_blocks(name: str, value: Any, depth: int) -> bool:
    """Whether a mapping has blocks' numbers as its keys, as `per_layer_config: {5: ...}` does."""
    if not isinstance(value, Mapping) or not value or not (_OF_BLOCKS.search(name) or name == "pruned_heads"):
        return False
    return all(str(number).isdigit() and int(number) < depth for number in value)
