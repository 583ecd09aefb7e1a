"""What `accelerate launch` was asked for: what of it this loop takes, and what it refuses because it would not do it.

FSDP 2 is PyTorch's `fully_shard`, which is what `sharding: blocks` does; Accelerate's own wrapping takes one model and
one optimizer for good, while here a second model takes over after the replacing phase.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

from theseus_plugin.errors import UserError
from theseus_plugin.launching.command_line import launcher_options

Sharding = Literal["none", "blocks"]
_FSDP = "ACCELERATE_USE_FSDP"
_OURS = "THESEUS_USE_FSDP"
_ACCUMULATION = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"
_PRECISION = "ACCELERATE_MIXED_PRECISION"


class _Wish(NamedTuple):
    """Something that a launcher, its file or the environment can ask for and the loop does not do."""

    variable: str
    """That the launcher writes it to."""
    fine: tuple[str, ...]
    """Values, in lower case, that ask for nothing, or for what the loop does anyway; so does an unset variable."""
    called: str
    """The launcher's name for it; an engine's says that the loop does not use it."""
    instead: str
    """What to do."""


_YES = ("", "true", "1")
_NO = ("", "false", "0", "no", "none")
_WISHES = (
    _Wish(
        "ACCELERATE_USE_DEEPSPEED",
        _NO,
        "DeepSpeed, which this loop does not use",
        "launch with FSDP 2 instead (examples/accelerate/fsdp.yaml), which splits the blocks over the processes as ZeRO"
        " does",
    ),
    _Wish("ACCELERATE_USE_MEGATRON_LM", _NO, "Megatron-LM, which this loop does not use", "launch with FSDP 2 instead"),
    _Wish(
        "ACCELERATE_USE_PARALLELISM_CONFIG",
        _NO,
        "a parallelism_config, which this loop does not use",
        "launch with FSDP 2 instead",
    ),
    _Wish("ACCELERATE_DYNAMO_BACKEND", _NO, "dynamo_backend", "set it to no"),
    _Wish("ACCELERATE_DOWNCAST_BF16", _NO, "downcast_bf16", "set it to no"),
)
"""Of any launch."""
_FSDP_WISHES = (
    _Wish("FSDP_VERSION", ("2",), "FSDP 1, which this loop does not use", "set fsdp_version: 2 in the launcher's file"),
    _Wish("FSDP_OFFLOAD_PARAMS", _NO, "fsdp_offload_params", "set it to false"),
    _Wish("FSDP_ACTIVATION_CHECKPOINTING", _NO, "fsdp_activation_checkpointing", "set it to false"),
    _Wish("FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD", _NO, "fsdp_activation_checkpointing_offload", "set it to false"),
    _Wish("FSDP_RESHARD_AFTER_FORWARD", (*_YES, "full_shard"), "fsdp_reshard_after_forward", "set it to true"),
    _Wish("FSDP_SHARDING_STRATEGY", ("", "1", "full_shard", "none"), "fsdp_sharding_strategy", "set it to FULL_SHARD"),
    _Wish(
        "FSDP_AUTO_WRAP_POLICY",
        ("", "none", "transformer_based_wrap"),
        "fsdp_auto_wrap_policy",
        "set it to TRANSFORMER_BASED_WRAP: blocks are split, nothing else",
    ),
    _Wish("FSDP_IGNORED_MODULES", _NO, "fsdp_ignored_modules", "remove it"),
)
"""Of a launch with FSDP. Its other options change neither weights nor what a process holds between passes: prefetching,
how its own checkpoints are written, and how its own wrapping loads a model."""
_READ = {
    "config_file", "quiet", "help", "cpu", "use_cpu", "multi_gpu", "tpu", "num_processes", "num_machines",
    "num_cpu_threads_per_process", "enable_cpu_affinity", "gpu_ids", "same_network", "machine_rank",
    "main_process_ip", "main_process_port", "log_dir", "tee", "role", "rdzv_backend", "rdzv_conf",
    "max_restarts", "monitor_interval", "module", "no_python", "debug", "mpirun_hostfile", "mpirun_ccl",
    "tpu_cluster", "no_tpu_cluster", "tpu_use_sudo", "vm", "env", "main_training_function", "training_script",
    "mixed_precision", "gradient_accumulation_steps", "use_fsdp", "dynamo_backend",
}  # fmt: skip
"""Options of `accelerate launch` that decide where processes run, or that are looked at here."""
_UNREAD = {
    "gradient_clipping": "set training.max_grad_norm in the recipe instead",
    "use_deepspeed": _WISHES[0].instead,
}
"""What to do instead of an option that is not read, where that is more than to remove it."""


def launched_sharding() -> Sharding:
    """`blocks` in a process that was launched with Accelerate's FSDP."""
    return "blocks" if asked(_FSDP) or asked(_OURS) else "none"


def launched_accumulation() -> int:
    """The launcher's `gradient_accumulation_steps`, 1 without.

    Raises:
        UserError: it is no whole number from 1.
    """
    given = os.environ.get(_ACCUMULATION) or launcher_options().get("gradient_accumulation_steps") or "1"
    if not (given.isascii() and given.isdigit() and int(given)):
        raise UserError(f"launched with gradient_accumulation_steps {given}: give a whole number from 1")
    return int(given)


def launched_precision() -> str | None:
    """`bf16` in a process that was launched so; None where the launcher leaves it to the recipe.

    Raises:
        UserError: launched with a precision that the loop does not train in.
    """
    given = os.environ.get(_PRECISION, "").lower()
    if given in _NO:
        return None
    if given != "bf16":
        raise UserError(
            f"launched with mixed_precision {given}, which this loop does not do: set it to no or bf16, or say"
            " training.precision in the recipe"
        )
    return given


def check_launch(sharding: Sharding, accumulation: int) -> None:
    """See that this loop can do what the launcher was asked for.

    Afterwards neither Accelerate, which would wrap the model, nor transformers, which would read it in one process
    only, sees FSDP in this process's variables; the wish is kept for later runs in the same process.

    Args:
        sharding: the recipe's.
        accumulation: the recipe's gradient_accumulation.

    Raises:
        UserError: the launcher was asked for something that the loop does not do, or the recipe says otherwise.
    """
    _refuse(_WISHES)
    if accumulation != launched_accumulation() != 1:
        raise UserError(
            f"launched with gradient_accumulation_steps {launched_accumulation()}, but training.gradient_accumulation"
            f" is {accumulation}: remove one of the two"
        )
    for option in launcher_options():
        if option not in _READ and not (option.startswith("fsdp_") and launched_sharding() == "blocks"):
            advice = _UNREAD.get(option, "remove it")
            raise UserError(f"launched with --{option}, which this loop does not read: {advice}")
    if not asked(_FSDP):
        return
    _refuse(_FSDP_WISHES)
    if sharding == "none":
        raise UserError("launched with FSDP, but training.sharding is none: remove one of the two")
    os.environ[_OURS] = os.environ.pop(_FSDP)


def asked(variable: str) -> bool:
    """Whether the environment says yes to what a launcher wrote there."""
    return os.environ.get(variable, "").lower() in ("true", "1")


def _refuse(wishes: tuple[_Wish, ...]) -> None:
    for wish in wishes:
        if os.environ.get(wish.variable, "").lower() not in wish.fine:
            other = "" if "," in wish.called else ", which this loop does not do"
            raise UserError(f"launched with {wish.called}{other}: {wish.instead}")
