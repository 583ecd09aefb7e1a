"""Gradients of several processes: summed after the last backward pass of a step, then clipped.

DistributedDataParallel would have to look for the parameters that a draw left out, in every pass, and would forget
the gradients of a module that was drawn in an earlier pass of an accumulated step but not in the last one. All
processes make the same draws, so here each sums just the gradients that there are.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def existing_gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients that the passes of this step have left."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def sum_over_processes(gradients: Iterable[Tensor]) -> None:
    """Replace each gradient by the sum over all processes, which must hold the same ones in the same order."""
    under_way = [torch.distributed.all_reduce(gradient, async_op=True) for gradient in gradients]
    for work in under_way:
        work.wait()


def clip(gradients: list[Tensor], max_norm: float | None) -> Tensor:
    """Scale all gradients so that their global norm is at most `max_norm`; gives the norm before, a scalar."""
    norm = torch.nn.utils.get_total_norm(gradients)
    # a pass over all gradients that changes nothing is worth avoiding where looking at the norm costs nothing
    if max_norm is not None and (norm.device.type != "cpu" or norm > max_norm):
        torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm
