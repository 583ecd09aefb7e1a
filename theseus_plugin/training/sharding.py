"""Blocks split over the processes (PyTorch's `fully_shard`), for models that are too large to be held several times.

Each block is gathered before it runs and let go after; its gradient is summed and split again on the way back. What
is no block, such as embeddings and head, every process holds. All processes run the same blocks in the same order, as
this needs: they make the same draws.
"""

from __future__ import annotations

from collections.abc import Iterable

from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(blocks: Iterable[nn.Module], accelerator: Accelerator) -> None:
    """Split the parameters of each block over all processes."""
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for block in blocks:
        if not isinstance(block, FSDPModule):
            fully_shard(block, mesh=mesh)
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
    """Copy a whole tensor, the same on every process, into one that may be split."""
    if isinstance(target, DTensor):
        value = distribute_tensor(value.to(target.device), target.device_mesh, target.placements)
    target.copy_(value)
