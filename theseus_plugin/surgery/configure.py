"""The config of a successor whose blocks are of the kinds that their weights were trained for."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from theseus_plugin.surgery.fields import lists_as_long, shortened
from theseus_plugin.surgery.kinds import Kinds, features
from theseus_plugin.surgery.stack import Stack, skeleton


def successor_config(
    predecessor: PreTrainedModel,
    stacks: Sequence[Stack],
    sources: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
) -> PretrainedConfig:
    """The predecessor's config for fewer blocks; see `shortened`.

    Some configs say by a number which blocks are of a kind, as `first_k_dense_replace` does. Where the successor's
    would otherwise be of other kinds than their sources, such a number is changed to what fits most of them.

    Args:
        predecessor: the deeper model.
        stacks: those that become shallower.
        sources: for each the block that each new one starts as a copy of.
        places: for each the block whose kind of attention each new one takes.
    """
    fields = [stack.depth_field for stack in stacks]
    kept, types = dict(zip(fields, sources, strict=True)), dict(zip(fields, places, strict=True))
    kind, old = type(predecessor), predecessor.config
    whole = list(dict.fromkeys(name for stack in stacks for name in lists_as_long(old, stack.depth)))
    for name in list(whole):
        others = [other for other in whole if other != name]
        left, taken = (_features(kind, shortened(old, kept, types, names), stacks) for names in (whole, others))
        if taken and left != taken:  # a model needs it cut, or its blocks differ by it
            whole = others
    config = shortened(old, kept, types, whole)
    kinds = [Kinds(old, stack.blocks(predecessor)) for stack in stacks]
    if not any(one.differ for one in kinds):
        return config

    def alike(candidate: PretrainedConfig) -> int:
        built = kinds_built(skeleton(kind, candidate), stacks, kinds)
        wanted = [[one.of[block] for block in blocks] for one, blocks in zip(kinds, sources, strict=True)]
        pairs = zip(built, wanted, strict=True)
        return sum(new == old for news, olds in pairs for new, old in zip(news, olds, strict=True))

    best, most = config, alike(config)
    for candidate in _other_numbers(config, stacks, sources) if most < sum(map(len, sources)) else ():
        try:
            count = alike(candidate)
        except Exception:  # a number that the architecture cannot have
            continue
        if count > most:
            best, most = candidate, count
    return best


def kinds_built(model: PreTrainedModel, stacks: Sequence[Stack], kinds: Sequence[Kinds]) -> list[list[str]]:
    """The kinds of a model's blocks, stack by stack."""
    return [one.among(model.config, stack.blocks(model)) for stack, one in zip(stacks, kinds, strict=True)]


def _features(kind: type[PreTrainedModel], config: PretrainedConfig, stacks: Sequence[Stack]) -> Any:
    """What the blocks of a model are made of; None where it cannot be built."""
    try:
        model = skeleton(kind, config)
    except Exception:
        return None
    return [[features(block) for block in stack.blocks(model)] for stack in stacks]


def _other_numbers(
    config: PretrainedConfig, stacks: Sequence[Stack], sources: Sequence[Sequence[int]]
) -> Iterator[PretrainedConfig]:
    """The config with one number of blocks changed to how many of these are left, counted from either end."""
    for stack, chosen in zip(stacks, sources, strict=True):
        for name, value in config.to_dict().items():
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= stack.depth:
                continue
            if name == stack.depth_field:
                continue
            first, last = (
                sum(block < value for block in chosen),
                sum(block >= stack.depth - value for block in chosen),
            )
            for count in {first, last} - {value}:
                candidate = copy.deepcopy(config)
                setattr(candidate, name, count)
                yield candidate
