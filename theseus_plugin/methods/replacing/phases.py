"""The two phases of progressive module replacing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from theseus_plugin.methods.replacing.assembly import Assembly, cast_frozen
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.schedules import rate
from theseus_plugin.methods.replacing.switch import Switch
from theseus_plugin.methods.teaching.logits import Imitation
from theseus_plugin.training.phase import Phase


class _ImitatingPhase(Phase):
    """The task's loss, or with `logits_share` its weighted mean with the distance from the predecessor's logits."""

    imitation: Imitation | None

    def asked(self) -> list[PreTrainedModel]:
        """The copy of the predecessor that is imitated, if one is."""
        return [] if self.imitation is None else [self.imitation.model]

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See `Phase.loss`."""
        if self.imitation is None:
            return super().loss(batch)
        return self.imitation.loss(self.model(**batch), self.imitation.ask(batch), batch["labels"])


class ReplacingPhase(_ImitatingPhase):
    """p < 1: only the successor blocks train; the rest is frozen and gradients flow through it.

    Args:
        assembly: predecessor and successor.
        config: the method's options.
        steps: optimizer steps of this phase.
        total: optimizer steps of both.
        imitation: what `logits_share` asks for; None: nothing.
        held: what the matrices of the frozen blocks are held in from the first step on; None: as they are.
    """

    def __init__(
        self,
        assembly: Assembly,
        config: TheseusConfig,
        steps: int,
        total: int,
        imitation: Imitation | None = None,
        held: torch.dtype | None = None,
    ) -> None:
        super().__init__("replacing", assembly.predecessor, steps)
        self.imitation = imitation
        self.assembly = assembly
        self.switch = Switch(assembly.modules, config.training.seed, config.mixing)
        self.config = config
        self.total = total
        self.held = held
        self.rate = rate(config.schedule, 0, total)
        self.module_costs: list[dict[str, Any]] = []

    @property
    def outcome(self) -> PreTrainedModel:
        """The successor as it is now."""
        return self.assembly.successor

    def blocks(self) -> list[nn.Module]:
        """The predecessor's blocks and the successor's."""
        return [block for slot in self.assembly.slots for block in slot.children()]

    def start(self) -> None:
        """Freeze all but the successor blocks."""
        if self.held is not None:
            cast_frozen(self.assembly, self.held)
        # With clip_scope "all" frozen weights get gradients too, which `before_update` lets go of.
        self.model.requires_grad_(self.config.clip_scope == "all")
        self.assembly.successor_blocks.requires_grad_(True)

    def before_forward(self, step: int, micro_step: int) -> None:
        """Move the rate with the optimizer steps and draw."""
        self.rate = rate(self.config.schedule, step, self.total)
        self.switch.set(self.rate, micro_step)

    def before_update(self) -> None:
        """Leave the optimizer, which holds what the next phase trains too, the successor blocks alone."""
        if self.config.clip_scope == "all":
            trained = set(self.assembly.successor_blocks.parameters())
            for parameter in self.model.parameters():
                if parameter not in trained:
                    parameter.grad = None

    def numbers(self) -> dict[str, float]:
        """The replacing rate of the last forward pass."""
        return {"p": self.rate}

    def finish(self, evaluate: Callable[[PreTrainedModel], dict[str, float]]) -> None:
        """Measure what each module costs, if that is wanted, and let go of the predecessor's blocks."""
        if self.config.module_costs and not self.module_costs:
            self.module_costs = self._measure(evaluate)
        self.assembly.drop_predecessor()

    def state(self) -> dict[str, Any]:
        """What a resumed run cannot compute anew."""
        return {"decided": self.switch.decided, "replaced": self.switch.replaced, "module_costs": self.module_costs}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the counts of an interrupted run."""
        self.switch.decided, self.switch.replaced = state["decided"], state["replaced"]
        self.module_costs = state["module_costs"]

    def _measure(self, evaluate: Callable[[PreTrainedModel], dict[str, float]]) -> list[dict[str, Any]]:
        """Validation metrics of the predecessor with none of its modules replaced, then with each one alone."""
        modules = self.assembly.modules
        rows = []
        for name, only in [("none", None), *zip(self.assembly.module_names(), modules, strict=True)]:
            for module in modules:
                module.in_eval = module is only
            rows.append({"module": name, **evaluate(self.model)})
        for module in modules:
            module.in_eval = True
        return rows


class SuccessorPhase(_ImitatingPhase):
    """p = 1: the stock successor trains, its blocks alone or all of it. The arguments are those of `ReplacingPhase`."""

    def __init__(
        self, assembly: Assembly, config: TheseusConfig, steps: int, imitation: Imitation | None = None
    ) -> None:
        super().__init__("successor", assembly.successor, steps)
        self.imitation = imitation
        self.assembly = assembly
        self.config = config

    def blocks(self) -> list[nn.Module]:
        """The successor's blocks; a stack that was left alone is not split, it belongs to the predecessor as well."""
        return list(self.assembly.successor_blocks)

    def start(self) -> None:
        """Say what trains."""
        self.model.requires_grad_(self.config.successor_phase == "all" or self.config.clip_scope == "all")
        self.assembly.successor_blocks.requires_grad_(True)

    def numbers(self) -> dict[str, float]:
        """The replacing rate is 1."""
        return {"p": 1.0}
