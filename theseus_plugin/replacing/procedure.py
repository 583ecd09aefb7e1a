"""The two phases of progressive module replacing, from a predecessor's folder to a successor's."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.contract import Result, Task
from theseus_plugin.replacing.config import TheseusConfig
from theseus_plugin.replacing.switch import ReplaceableModule, Switch
from theseus_plugin.surgery.partition import partition_blocks
from theseus_plugin.surgery.stack import Stack, find_stack, number_blocks
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun


def compress(predecessor: str, successor: str, task: Task, config: TheseusConfig) -> Result:
    """Train a successor of `predecessor` on `task` and write it to `successor`.

    Raises:
        UserError: as `TrainingRun`; the predecessor has no trained head, an unsupported architecture, or a depth
            that does not divide.
    """
    method = {"name": "theseus", **config.model_dump(mode="json")}
    run = TrainingRun("theseus", predecessor, successor, task, {"method": method}, config.training)
    model = run.load_model()
    stack = find_stack(model)
    partition = partition_blocks(len(stack.blocks), config.successor_blocks, config.partition)
    before = run.evaluate(model)

    loop = run.loop()
    replacing_steps = config.schedule.replacing_steps(loop.steps)
    modules = build_modules(stack, partition, config.predecessor_dropout)
    replacing = ReplacingPhase(stack, modules, config, replacing_steps, loop.steps)
    following = SuccessorPhase(stack, modules, config, loop.steps - replacing_steps)
    outcome = loop.run([replacing, following], _trained(stack, replacing.successor_blocks, config))

    details = {
        "partition": [len(part) for part in partition],
        "replacing_steps": replacing_steps,
        "effective_rate": replacing.switch.effective_rate,
    }
    return run.publish(model, outcome, before, details)


def build_modules(
    stack: Stack, partition: tuple[range, ...], predecessor_dropout: bool = True
) -> list[ReplaceableModule]:
    """One module per entry of `partition`. Successor block i starts as a copy of predecessor block i, so the first
    blocks of the predecessor, as in the authors' code.
    """
    blocks = stack.blocks
    copies = [copy.deepcopy(block) for block in blocks[: len(partition)]]
    number_blocks(copies)
    return [
        ReplaceableModule((blocks[i] for i in part), successor, predecessor_dropout)
        for part, successor in zip(partition, copies, strict=True)
    ]


def _trained(stack: Stack, successor_blocks: nn.ModuleList, config: TheseusConfig) -> list[nn.Parameter]:
    """All parameters that either phase trains, so that one optimizer serves both."""
    if config.successor_phase == "blocks":
        return list(successor_blocks.parameters())
    with stack.holding(successor_blocks) as successor:
        return list(successor.parameters())


class ReplacingPhase(Phase):
    """p < 1: only the successor blocks train; the rest is frozen and gradients flow through it."""

    unused_parameters = True

    def __init__(
        self, stack: Stack, modules: list[ReplaceableModule], config: TheseusConfig, steps: int, total: int
    ) -> None:
        super().__init__("replacing", stack.model, steps)
        self.stack = stack
        self.modules = modules
        self.successor_blocks = nn.ModuleList(module.successor for module in modules)
        self.switch = Switch(modules, config.training.seed)
        self.config = config
        self.total = total
        self.rate = config.schedule.rate_at(0, total)

    def start(self) -> None:
        """Put the modules into the model and freeze all but the successor blocks."""
        self.stack.put(self.modules)
        # With clip_scope "all" frozen weights get gradients too, which no optimizer step uses.
        self.model.requires_grad_(self.config.clip_scope == "all")
        self.successor_blocks.requires_grad_(True)

    def before_forward(self, step: int, micro_step: int) -> None:
        """Move the rate with the optimizer steps and draw."""
        self.rate = self.config.schedule.rate_at(step, self.total)
        self.switch.set(self.rate, micro_step)

    def figures(self) -> dict[str, float]:
        """The replacing rate of the last forward pass."""
        return {"p": self.rate}

    def result(self) -> AbstractContextManager[PreTrainedModel]:
        """The successor as it is now."""
        return self.stack.holding(self.successor_blocks)


class SuccessorPhase(Phase):
    """p = 1: the stock successor trains, its blocks alone or all of it; the predecessor's blocks are gone."""

    def __init__(self, stack: Stack, modules: list[ReplaceableModule], config: TheseusConfig, steps: int) -> None:
        super().__init__("successor", stack.model, steps)
        self.stack = stack
        self.modules = modules
        self.config = config

    def start(self) -> None:
        """Leave only the successor blocks in the model and let go of the predecessor's."""
        blocks = [module.successor for module in self.modules]
        self.stack.put(blocks)
        for module in self.modules:
            module.predecessor = nn.ModuleList()
        self.model.requires_grad_(self.config.successor_phase == "all" or self.config.clip_scope == "all")
        for block in blocks:
            block.requires_grad_(True)

    def figures(self) -> dict[str, float]:
        """The replacing rate is 1."""
        return {"p": 1.0}
