"""Blocks split over the processes (PyTorch's `fully_shard`), for models that are too large to be held several times.

Each block is gathered before it runs and let go after; its gradient is summed and split again on the way back. What
is no block, such as embeddings and head, every process holds. All processes run the same blocks in the same order, as
this needs: they make the same draws.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from theseus_plugin.training.config import TrainingConfig


def is_split(config: TrainingConfig, accelerator: Accelerator) -> bool:
    """Whether the blocks of a run are split."""
    return config.sharding == "blocks" and accelerator.num_processes > 1


def shard(blocks: Iterable[nn.Module], accelerator: Accelerator) -> None:
    """Split the parameters of each block over all processes. One at a time goes whole to this process's device."""
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for block in blocks:
        if not isinstance(block, FSDPModule):
            # said, because a block that is no part of another stays whole otherwise once it has run
            fully_shard(block, mesh=mesh, reshard_after_forward=True)
            assert isinstance(block, FSDPModule)
            # plain sums: Stepper has weighed the labels of a step before
            block.set_gradient_divide_factor(1.0)
            block.set_force_sum_reduction_for_comms(True)


def is_sharded(tensor: Tensor | None) -> bool:
    """Whether this process holds a part of it only."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """The part of this process, sharing memory with it; all of a tensor that is not split."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of it; every process has to ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def put(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may be split: the first process's, which alone need have the numbers then."""
    if isinstance(target, DTensor):
        here = torch.empty_like(value, device=target.device) if value.is_meta else value.to(target.device)
        value = distribute_tensor(here.to(target.dtype), target.device_mesh, target.placements)
    target.copy_(value)
