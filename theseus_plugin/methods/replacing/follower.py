"""Progressive module replacing in a training loop of somebody else's, such as that of transformers' Trainer.

Nothing here trains. Whoever sits in such a loop counts its optimizer steps and forward passes, and calls a `Follower`
before each pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedModel

from theseus_plugin.errors import UserError
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.replacing.schedules import replacing_steps
from theseus_plugin.options.validation import validate
from theseus_plugin.surgery.plan import notes
from theseus_plugin.training.config import TrainingConfig

_OF_OUR_LOOP = ("clip_scope", "logits_share", "module_costs")
"""Options that say what our own loop clips, adds to the loss and evaluates."""


def follower_options(given: Mapping[str, Any], where: str, refusals: Mapping[str, str]) -> TheseusConfig:
    """The method's options as an object, without those that a follower has no say in.

    Args:
        given: the options by name.
        where: what messages name before an option, as `options`; empty: nothing.
        refusals: why `clip_scope`, `logits_share` and `module_costs` cannot be had in this loop, and what to do.

    Raises:
        UserError: an unknown or wrong option, or one of those three with another value than its default.
    """
    config = validate(TheseusConfig, given, where=where)
    for option in _OF_OUR_LOOP:
        if getattr(config, option) != TheseusConfig.model_fields[option].default:
            raise UserError(f"{where and where + '.'}{option}: {refusals[option]}")
    return config


class Follower:
    """A run of progressive module replacing that follows somebody else's loop.

    Args:
        predecessor: on any device; slots are put into it.
        config: of `follower_options`.

    Attributes:
        assembly: the predecessor and its successor. What is trained of them requires a gradient.
        step: optimizer steps so far; the caller counts them.
        micro_step: forward passes in training so far; the caller counts them.
        replacing: the phase of p < 1; None before `begin`.
        following: the phase of p = 1.
        phase: the one that was entered last; None before the first.

    Raises:
        UserError: the model cannot be compressed so.
    """

    def __init__(self, predecessor: PreTrainedModel, config: TheseusConfig) -> None:
        self.config = config
        self.assembly = assemble(predecessor, config)
        for note in notes(self.assembly.plans):
            warnings.warn(note, stacklevel=3)
        self.step = 0
        self.micro_step = 0
        self.replacing: ReplacingPhase | None = None
        self.following = SuccessorPhase(self.assembly, config, 0)
        self.phase: ReplacingPhase | SuccessorPhase | None = None
        # An optimizer or DistributedDataParallel that is made next may take only what requires a gradient now: that
        # has to be all that either phase trains.
        predecessor.requires_grad_(False)
        self.following.start()

    @property
    def due(self) -> ReplacingPhase | SuccessorPhase:
        """The phase that the next pass belongs to, by the optimizer steps so far."""
        assert self.replacing is not None
        return self.replacing if self.step < self.replacing.steps else self.following

    @property
    def rate(self) -> float:
        """The replacing rate of the last pass; before the first, the one that the run begins with."""
        phase = self.phase or self.replacing
        assert phase is not None
        return phase.numbers()["p"]

    @property
    def effective_rate(self) -> float:
        """Share of modules that were replaced so far in the passes of the replacing phase; see `Switch`."""
        return self.replacing.switch.effective_rate if self.replacing else 0.0

    def begin(self, steps: int, seed: int) -> None:
        """Divide a run into its phases, with nothing trained yet.

        Args:
            steps: optimizer steps of the whole run.
            seed: of the draws.

        Raises:
            UserError: the schedule gives something that is no rate.
        """
        config = self.config.model_copy(update={"training": TrainingConfig(seed=seed)})
        self.replacing = ReplacingPhase(self.assembly, config, replacing_steps(config.schedule, steps), steps)
        self.step = self.micro_step = 0

    def enter(self, phase: ReplacingPhase | SuccessorPhase) -> None:
        """Go over to `phase`."""
        if phase is self.following:
            for module in self.assembly.modules:
                module.replaced, module.mix = True, None
        self.phase = phase
        phase.start()

    def before_pass(self) -> None:
        """Go over to the phase that is due, and draw for a pass in training. Call it right before each."""
        phase = self.due
        if phase is not self.phase:
            self.enter(phase)
        phase.before_forward(self.step, self.micro_step)

    def end(self) -> PreTrainedModel:
        """End the run, early or not; gives the stock successor, which holds nothing of the predecessor's blocks."""
        self.enter(self.following)
        self.assembly.drop_predecessor()
        return self.assembly.successor

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on with the same rate and draws, as JSON."""
        counts = self.replacing.state() if self.replacing else {}
        return {"step": self.step, "micro_step": self.micro_step, "counts": counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave of an interrupted run; call it after `begin`."""
        assert self.replacing is not None
        self.step, self.micro_step = state["step"], state["micro_step"]
        self.replacing.restore(state["counts"])
