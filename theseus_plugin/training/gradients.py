"""Gradients of several processes: summed after the last backward pass of a step, then clipped.

DistributedDataParallel would have to look for the parameters that a draw left out, in every pass. All processes make
the same draws, so here each sums just the gradients that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from theseus_plugin.training.sharding import is_sharded, local


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
