"""What is to become of each stack of a model, from the options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import transformers
from transformers import PreTrainedModel

from theseus_plugin.checkpoint import load_config
from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.quiet import quiet
from theseus_plugin.surgery.partition import Part, partition_blocks, places, sources
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.stack import Stack, find_stacks, layer_types
from theseus_plugin.surgery.successor import Cut

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is to become of one stack."""

    parts: Sequence[Part]
    cut: Cut


def plan_stacks(predecessor: PreTrainedModel, shape: Shape, modules: int | None = None) -> list[Plan]:
    """What the options say of each stack of `predecessor` that becomes shallower.

    Args:
        predecessor: the model to look at.
        shape: of the successor.
        modules: how many each stack has; default: one for each successor block.

    Raises:
        UserError: an architecture without stacks, a stack that does not exist, or what `partition_blocks` refuses.
    """
    stacks = find_stacks(predecessor)
    for option in ("successor_blocks", "partition"):
        given = getattr(shape, option)
        for name in given if isinstance(given, dict) else ():
            if name not in {stack.name for stack in stacks}:
                valid = did_you_mean(name, (stack.name for stack in stacks))
                raise UserError(f"{option}: no stack {name!r} in this model: {valid}")
    types = layer_types(predecessor.config)
    chosen = [stack for stack in stacks if _of(shape.successor_blocks, stack) is not None]
    if shape.intermediate_size is not None and len(chosen) < len(stacks):
        raise UserError("intermediate_size changes every stack: name all of them in successor_blocks")
    return [_plan(stack, shape, modules, types) for stack in chosen]


def check_shape(checkpoint: str, auto_class: str, shape: Shape, modules: int | None = None) -> None:
    """Refuse what `plan_stacks` would, from the checkpoint's configuration alone: before any example is read.

    Args:
        checkpoint: a folder or a hub name.
        auto_class: name of the `transformers` auto class that loads it.
        shape: of the successor.
        modules: how many each stack has.

    Raises:
        UserError: as `plan_stacks`, or the checkpoint has no configuration.
    """
    config = load_config(checkpoint)
    try:
        with quiet(), torch.device("meta"):
            skeleton = getattr(transformers, auto_class).from_config(config)
    except ValueError:  # no model of this class: loading it tells that
        return
    plan_stacks(skeleton, shape, modules)


def partition_of(plans: Sequence[Plan]) -> dict[str, list[list[int]]]:
    """By stack, (predecessor blocks, successor blocks) of each module, as a record shows it."""
    return {
        plan.cut.stack.name: [[len(part.predecessor), len(part.successor)] for part in plan.parts] for plan in plans
    }


def _plan(stack: Stack, shape: Shape, modules: int | None, types: Sequence[str] | None) -> Plan:
    blocks, partition = _of(shape.successor_blocks, stack), _of(shape.partition, stack)
    assert blocks is not None
    parts = partition_blocks(stack.depth, blocks, partition, modules)
    chosen = sources(parts, shape.initialisation)
    return Plan(parts, Cut(stack, chosen, places(parts, chosen, types)))


def _of(option: T | Mapping[str, T], stack: Stack) -> T | None:
    return option.get(stack.name) if isinstance(option, Mapping) else option
