"""What `accelerate launch` was asked for, as far as it decides how a model is split over processes.

FSDP 2 is PyTorch's `fully_shard`, which is what `sharding: blocks` does; Accelerate's own wrapping takes one model and
one optimizer for good, while here a second model takes over after the replacing phase.
"""

from __future__ import annotations

import os
from typing import Literal

from theseus_plugin.errors import UserError

Sharding = Literal["none", "blocks"]
_FSDP = "ACCELERATE_USE_FSDP"
_OURS = "THESEUS_USE_FSDP"
_NOT_DONE = ("FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING")


def launched_sharding() -> Sharding:
    """`blocks` in a process that was launched with Accelerate's FSDP."""
    return "blocks" if asked(_FSDP) or asked(_OURS) else "none"


def check_launch(sharding: Sharding) -> None:
    """See that this loop can do what the launcher was asked for.

    Afterwards neither Accelerate, which would wrap the model, nor transformers, which would read it in one process
    only, sees FSDP in this process's variables; the wish is kept for later runs in the same process.

    Raises:
        UserError: DeepSpeed, FSDP 1, an option of FSDP that this loop does not have, or FSDP with `sharding: none`.
    """
    if asked("ACCELERATE_USE_DEEPSPEED"):
        raise UserError(
            "launched with DeepSpeed, which this loop does not use: launch with FSDP 2 instead"
            " (examples/accelerate/fsdp.yaml), which splits the blocks over the processes as ZeRO does"
        )
    if not asked(_FSDP):
        return
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise UserError(
            "launched with FSDP 1, which this loop does not use: set fsdp_version: 2 in the launcher's file"
        )
    for variable in filter(asked, _NOT_DONE):
        raise UserError(f"launched with {variable.lower()}, which this loop does not do: set it to false")
    if sharding == "none":
        raise UserError("launched with FSDP, but training.sharding is none: remove one of the two")
    os.environ[_OURS] = os.environ.pop(_FSDP)


def asked(variable: str) -> bool:
    """Whether the environment says yes to what a launcher wrote there."""
    return os.environ.get(variable, "").lower() in ("true", "1")
