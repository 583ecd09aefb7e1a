"""One optimizer step: passes over its batches, the gradients of all processes, the update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from theseus_plugin.training.batches import Batch, answerable, labelled
from theseus_plugin.training.gradients import clip, sum_over_processes, with_gradients
from theseus_plugin.training.phase import Phase


class Passed(NamedTuple):
    """What the passes of a step gave, the same on every process."""

    loss: Tensor
    """Mean over all labels of the step, a scalar on the device; 0 where there is none."""
    norm: Tensor
    """Global norm of the gradients before they were clipped, a scalar on the device."""
    stop: Tensor
    """How many processes were asked to stop."""
    labels: Tensor
    """How many labels counted."""


class Stepper:
    """Makes optimizer steps of a phase.

    Every label of a step weighs the same, however the step is split into passes and over processes. A pass without any
    weighs nothing.
    """

    def __init__(
        self, accelerator: Accelerator, optimizer: Any, lr_schedule: LRScheduler, max_grad_norm: float | None
    ) -> None:
        self._accelerator = accelerator
        self.optimizer = optimizer
        self._max_grad_norm = max_grad_norm
        self.lr_schedule = lr_schedule

    def passes(self, phase: Phase, batches: Sequence[Batch], step: int, micro_step: int, stop: bool) -> Passed:
        """Forward and backward over the batches of this process; leaves the step's gradients, clipped.

        Args:
            phase: what to train.
            batches: one for each pass.
            step: optimizer steps done.
            micro_step: passes done.
            stop: whether this process was asked to stop.
        """
        loss = torch.zeros((), device=self._accelerator.device)
        counts = torch.stack([labelled(batch) for batch in batches])
        total = self._total(counts)
        for index, (batch, count) in enumerate(zip(batches, counts, strict=True)):
            phase.before_forward(step, micro_step + index)
            with self._accelerator.autocast():
                share = phase.loss(answerable(batch, count)).float() * (count / total.clamp(min=1))
            self._accelerator.backward(share)
            loss += share.detach()
        parameters = with_gradients(phase.model.parameters())
        shared = torch.stack([loss, torch.full_like(loss, stop)])
        if self._accelerator.num_processes > 1:
            shared = sum_over_processes(parameters, shared)
        return Passed(shared[0], clip(parameters, self._max_grad_norm), shared[1], total)

    def update(self, phase: Phase) -> None:
        """Move the weights, then the learning rate."""
        phase.before_update()
        self.optimizer.step()
        self.lr_schedule.step()
        # Not the optimizer's zero_grad: a method may let gradients reach parameters that no optimizer holds.
        phase.model.zero_grad(set_to_none=True)

    def _total(self, counts: Tensor) -> Tensor:
        """Labels of the step, in the passes of all processes."""
        total = counts.sum()
        if self._accelerator.num_processes > 1:
            torch.distributed.all_reduce(total)
        return total
