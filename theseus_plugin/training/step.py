"""One optimizer step: passes over its batches, the gradients of all processes, the update.

DistributedDataParallel would have to look for the parameters that a draw left out, in every pass. All processes make
the same draws, so here each sums just the gradients that there are, after the last backward pass, and then clips them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from theseus_plugin.training.batches import Batch, answerable, labelled
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.precision import autocast
from theseus_plugin.training.sharding import is_sharded, local


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
            with autocast(self._accelerator, phase.autocast):
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


def with_gradients(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """The parameters to which the passes of this step have left a gradient."""
    return [parameter for parameter in parameters if parameter.grad is not None]


def sum_over_processes(parameters: Sequence[nn.Parameter], more: Tensor) -> Tensor:
    """Replace each gradient by the sum over all processes, which must have the same ones in the same order.

    Gradients go in one piece, which takes half the time of one by one, and come back as views of it.

    Args:
        parameters: whose gradients to sum; those of blocks that are split over the processes are sums already.
        more: a vector that is summed with them.

    Returns:
        `more`, summed.
    """
    parameters = [parameter for parameter in parameters if not is_sharded(parameter)]
    pieces = _gradients(parameters)
    whole = torch.cat([piece.reshape(-1) for piece in pieces] + [more])
    torch.distributed.all_reduce(whole)
    sizes = [piece.numel() for piece in pieces] + [more.numel()]
    parts: Sequence[Tensor] = torch.split(whole, sizes)
    for parameter, part in zip(parameters, parts, strict=False):
        parameter.grad = part.view(parameter.shape)
    return parts[-1]


def clip(parameters: Iterable[nn.Parameter], max_norm: float | None) -> Tensor:
    """Scale all gradients so that their global norm is at most `max_norm`; gives the norm before, a scalar."""
    gradients = _gradients(parameters)
    norm = _norm(gradients)
    # a pass over all gradients that changes nothing is worth avoiding where looking at the norm costs nothing
    if max_norm is not None and (norm.device.type != "cpu" or norm > max_norm):
        torch._foreach_mul_([local(gradient) for gradient in gradients], (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """The global norm, of which blocks that are split over the processes hold a part each."""
    parts = [local(gradient) for gradient in gradients if is_sharded(gradient)]
    norm: Tensor = torch.nn.utils.get_total_norm([gradient for gradient in gradients if not is_sharded(gradient)])
    if not parts:
        return norm
    square = torch.nn.utils.get_total_norm(parts) ** 2
    torch.distributed.all_reduce(square)
    return (norm.to(square) ** 2 + square).sqrt()
