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

    def stepper(self, number: int, carrying: bool) -> Stepper:
        """For the phase of that number, those before having been asked for.

        Args:
            number: of the phase, from 0.
            carrying: whether what the phase carries over is carried; not where a checkpoint is loaded next.
        """
        phase, before = self._phases[number], self._present
        own = phase.parameters()
        if own is None and before is not None:
            return before
        served = [phase, *takewhile(lambda one: one.parameters() is None, self._phases[number + 1 :])]
        self._present = self._build(self._parameters() if own is None else own, [one.steps for one in served])
        if before is not None:
            if carrying:
                phase.carry(Moments(before.optimizer), Moments(self._present.optimizer))
            before.optimizer.state.clear()  # Accelerate keeps hold of every optimizer that it has prepared
        return self._present

    def _build(self, parameters: Iterable[nn.Parameter], steps: Sequence[int]) -> Stepper:
        optimizer: Any = build_optimizer(parameters, self._config)
        lr_schedule = build_lr_schedule(optimizer, self._config, steps)
        if not is_split(self._config, self._accelerator):  # Accelerate would write one process's part only
            optimizer = self._accelerator.prepare_optimizer(optimizer)
        return Stepper(self._accelerator, optimizer, lr_schedule, self._config.max_grad_norm)
