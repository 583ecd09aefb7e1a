"""Which optimizer a phase trains with: that of the phase before, or one of its own that takes over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

from accelerate import Accelerator
from torch import nn

from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.moments import Moments
from theseus_plugin.training.optimisation import build_lr_schedule, build_optimizer
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.sharding import is_split
from theseus_plugin.training.step import Stepper


class Optimizers:
    """Gives phase after phase what makes its steps. A new optimizer begins with the first phase and with each one that
    has parameters of its own; it and its learning rate serve until the next such phase.

    Args:
        accelerator: of the run.
        config: how to train.
        phases: of the run, in order.
        parameters: for a first phase that gives none.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        config: TrainingConfig,
        phases: Sequence[Phase],
        parameters: Callable[[], Iterable[nn.Parameter]],
    ) -> None:
        self._accelerator = accelerator
        self._config = config
        self._phases = phases
        self._parameters = parameters
        self._present: Stepper | None = None
        self._past: Stepper | None = None

    def stepper(self, number: int) -> Stepper:
        """For the phase of that number, from 0, those before having been asked for. It has not started yet: a resumed
        run asks for those of phases that are done, and does not start these.
        """
        phase, before = self._phases[number], self._present
        own = phase.parameters()
        if own is None and before is not None:
            return before
        served = [phase, *takewhile(lambda one: one.parameters() is None, self._phases[number + 1 :])]
        built = self._build(self._parameters() if own is None else own, [one.steps for one in served])
        self._past, self._present = before, built
        return built

    def take_over(self, number: int, carrying: bool) -> None:
        """Let go of the optimizer before that of a phase, if it has one of its own, once the phase has started.

        Args:
            number: of the phase, which was asked for last.
            carrying: whether what the phase carries over is carried; not where a checkpoint is loaded next.
        """
        if self._past is None or self._present is None:
            return
        if carrying:
            self._phases[number].carry(Moments(self._past.optimizer), Moments(self._present.optimizer))
        self._past.optimizer.state.clear()  # Accelerate keeps hold of every optimizer that it has prepared
        self._past = None

    def _build(self, parameters: Iterable[nn.Parameter], steps: Sequence[int]) -> Stepper:
        optimizer: Any = build_optimizer(parameters, self._config)
        lr_schedule = build_lr_schedule(optimizer, self._config, steps)
        if not is_split(self._config, self._accelerator):  # Accelerate would write one process's part only
            optimizer = self._accelerator.prepare_optimizer(optimizer)
        return Stepper(self._accelerator, optimizer, lr_schedule, self._config.max_grad_norm)
