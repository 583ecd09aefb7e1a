"""The optimizer's state in a checkpoint: tensors as safetensors, the rest as JSON among them. Nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

from theseus_plugin.training.sharding import is_sharded, local

_GROUPS = "groups"


def has_parts(optimizer: Any) -> bool:
    """Whether this process holds parts of some moments only, so that each has to write its own."""
    return any(is_sharded(parameter) for parameter in _parameters(optimizer))


def save_optimizer(optimizer: Any, file: Path) -> None:
    """Write this process's state of an optimizer, its parts of what is split."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": local(value).cpu().contiguous()
        for index, moments in state["state"].items()
        for name, value in moments.items()
    }
    save_file(tensors, file, metadata={_GROUPS: json.dumps(state["param_groups"])})


def load_optimizer(optimizer: Any, file: Path) -> None:
    """Read what `save_optimizer` wrote.

    Raises:
        ValueError: it is the state of other parameters.
    """
    state: dict[int, dict[str, Any]] = {}
    parameters = _parameters(optimizer)
    with safe_open(file, framework="pt") as opened:
        groups = json.loads((opened.metadata() or {})[_GROUPS])
        for key in opened.keys():  # noqa: SIM118 - not a mapping
            index, _, name = key.partition(".")
            value = opened.get_tensor(key)
            state.setdefault(int(index), {})[name] = _like(parameters[int(index)], value)
    for group in groups:
        group["betas"] = tuple(group["betas"])
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _parameters(optimizer: Any) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment split as its parameter is; the count of steps is a scalar that every process has."""
    if value.ndim == 0:
        return value
    if value.shape != local(parameter).shape:
        raise ValueError(f"a moment has the shape {tuple(value.shape)}, its weight {tuple(local(parameter).shape)}")
    if not isinstance(parameter, DTensor):
        return value
    return DTensor.from_local(
        value.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
