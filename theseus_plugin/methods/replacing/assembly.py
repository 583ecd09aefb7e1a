"""From a predecessor to a model that can run either: its modules, and the successor they turn into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.switch import ReplaceableModule, Slot
from theseus_plugin.surgery.plan import Plan, plan_stacks
from theseus_plugin.surgery.successor import build_successor


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

    def module_names(self) -> list[str]:
        """What stands in each module, as `blocks 2-3`; predecessor blocks count from 0."""
        return [
            f"{plan.cut.stack.name} {'-'.join(str(i) for i in sorted({part.predecessor[0], part.predecessor[-1]}))}"
            for plan in self.plans
            for part in plan.parts
        ]

    @contextmanager
    def nothing_replaced(self) -> Iterator[None]:
        """Within the block the predecessor in eval mode is what it was before there were slots."""
        for module in self.modules:
            module.in_eval = False
        try:
            yield
        finally:
            for module in self.modules:
                module.in_eval = True

    def drop_predecessor(self) -> None:
        """Let go of the predecessor's blocks."""
        for plan in self.plans:
            plan.cut.stack.put(self.predecessor, [])


def assemble(predecessor: PreTrainedModel, config: TheseusConfig) -> Assembly:
    """Build the successor and put slots into `predecessor`.

    Raises:
        UserError: see `plan_stacks` and `build_successor`.
    """
    plans = plan_stacks(predecessor, config, config.modules)
    successor = build_successor(predecessor, [plan.cut for plan in plans], config.intermediate_size)
    modules = []
    for plan in plans:
        slots, switched = _slots(plan, predecessor, successor, config.predecessor_dropout)
        plan.cut.stack.put(predecessor, slots)
        modules += switched
    predecessor.train(predecessor.training)  # the slots, too
    return Assembly(predecessor, successor, modules, plans)


def cast_frozen(assembly: Assembly, dtype: torch.dtype) -> None:
    """Hold the matrices of the frozen predecessor's blocks in the precision that autocast would give them each time."""
    for slot in assembly.slots:
        for part in slot.get_submodule("predecessor").modules():
            if isinstance(part, nn.Linear):
                part.to(dtype)


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
