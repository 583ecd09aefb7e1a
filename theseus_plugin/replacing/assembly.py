"""From a predecessor to a model that can run either: its modules, and the successor they turn into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.replacing.config import TheseusConfig
from theseus_plugin.replacing.switch import ReplaceableModule, Slot
from theseus_plugin.surgery.partition import Part, partition_blocks, places, sources
from theseus_plugin.surgery.stack import Stack, find_stacks, layer_types
from theseus_plugin.surgery.successor import Cut, build_successor

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is to become of one stack."""

    parts: Sequence[Part]
    cut: Cut


@dataclass(frozen=True)
class Assembly:
    """A predecessor whose stacks hold slots, the stock successor whose blocks run in them, and what switches them.

    Both models share all parameters that are not in blocks.
    """

    predecessor: PreTrainedModel
    successor: PreTrainedModel
    modules: list[ReplaceableModule]
    plans: list[Plan]

    @property
    def successor_blocks(self) -> nn.ModuleList:
        """All blocks of the successor that replace others."""
        return nn.ModuleList(block for plan in self.plans for block in plan.cut.stack.blocks(self.successor))

    @property
    def slots(self) -> list[nn.Module]:
        """All slots of the predecessor."""
        return [slot for plan in self.plans for slot in plan.cut.stack.blocks(self.predecessor)]

    def partition(self) -> dict[str, list[list[int]]]:
        """By stack, (predecessor blocks, successor blocks) of each module."""
        return {
            plan.cut.stack.name: [[len(part.predecessor), len(part.successor)] for part in plan.parts]
            for plan in self.plans
        }

    def module_names(self) -> list[str]:
        """What stands in each module, as `blocks 2-3`; predecessor blocks count from 0."""
        return [
            f"{plan.cut.stack.name} {'-'.join(str(i) for i in sorted({part.predecessor[0], part.predecessor[-1]}))}"
            for plan in self.plans
            for part in plan.parts
        ]

    def drop_predecessor(self) -> None:
        """Let go of the predecessor's blocks."""
        for plan in self.plans:
            plan.cut.stack.put(self.predecessor, [])


def assemble(predecessor: PreTrainedModel, config: TheseusConfig) -> Assembly:
    """Build the successor and put slots into `predecessor`.

    Raises:
        UserError: an architecture without stacks, a stack that does not exist, or what `partition_blocks` and
            `build_successor` refuse.
    """
    plans = plan_stacks(predecessor, config)
    successor = build_successor(predecessor, [plan.cut for plan in plans], config.intermediate_size)
    modules = []
    for plan in plans:
        slots, switched = _slots(plan, predecessor, successor, config.predecessor_dropout)
        plan.cut.stack.put(predecessor, slots)
        modules += switched
    predecessor.train(predecessor.training)  # the slots, too
    return Assembly(predecessor, successor, modules, plans)


def plan_stacks(predecessor: PreTrainedModel, config: TheseusConfig) -> list[Plan]:
    """What the options say of each stack of `predecessor`.

    Raises:
        UserError: see `assemble`.
    """
    stacks = find_stacks(predecessor)
    for option in ("successor_blocks", "partition"):
        given = getattr(config, option)
        for name in given if isinstance(given, dict) else ():
            if name not in {stack.name for stack in stacks}:
                valid = did_you_mean(name, (stack.name for stack in stacks))
                raise UserError(f"{option}: no stack {name!r} in this model: {valid}")
    types = layer_types(predecessor.config)
    plans = [_plan(stack, config, types) for stack in stacks if _of(config.successor_blocks, stack) is not None]
    if config.intermediate_size is not None and len(plans) < len(stacks):
        raise UserError("intermediate_size changes every stack: name all of them in successor_blocks")
    return plans


def cast_frozen(assembly: Assembly, dtype: torch.dtype) -> None:
    """Hold the matrices of the frozen predecessor's blocks in the precision that autocast would give them each time."""
    for slot in assembly.slots:
        for part in slot.get_submodule("predecessor").modules():
            if isinstance(part, nn.Linear):
                part.to(dtype)


def _plan(stack: Stack, config: TheseusConfig, types: Sequence[str] | None) -> Plan:
    blocks, partition = _of(config.successor_blocks, stack), _of(config.partition, stack)
    assert blocks is not None
    parts = partition_blocks(stack.depth, blocks, partition, config.modules)
    chosen = sources(parts, config.initialisation)
    return Plan(parts, Cut(stack, chosen, places(parts, chosen, types)))


def _of(option: T | Mapping[str, T], stack: Stack) -> T | None:
    return option.get(stack.name) if isinstance(option, Mapping) else option


def _slots(plan: Plan, predecessor: nn.Module, successor: nn.Module, dropout: bool) -> Any:
    olds, news = plan.cut.stack.blocks(predecessor), plan.cut.stack.blocks(successor)
    at_place = {place: news[index] for index, place in enumerate(plan.cut.places)}
    slots, modules = [], []
    for part in plan.parts:
        module = ReplaceableModule()
        modules.append(module)
        first, last = part.predecessor[0], part.predecessor[-1]
        slots += [
            Slot(module, olds[i], at_place.get(i), first=i == first, last=i == last, predecessor_dropout=dropout)
            for i in part.predecessor
        ]
    return slots, modules
