"""What `TheseusCallback` cannot do, in words, before any work is done."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel, TrainingArguments

from theseus_plugin.errors import UserError
from theseus_plugin.launching.asked_for import asked
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.follower import follower_options
from theseus_plugin.methods.replacing.schedules import rate
from theseus_plugin.methods.replacing.switch import Slot

_REFUSALS = {
    "clip_scope": "'all' cannot be had here: Trainer clips what it trains",
    "logits_share": "cannot be had here, Trainer computes the loss: use `theseus-plugin compress`",
    "module_costs": "not measured here: use `theseus-plugin compress`",
}


def configuration(options: dict[str, Any]) -> TheseusConfig:
    """The options as an object.

    Raises:
        UserError: an unknown or wrong option, or one that a callback has no say in.
    """
    if "training" in options:
        raise UserError("training is not an option here: the arguments of Trainer say how to train")
    return follower_options(options, where="", refusals=_REFUSALS)


def refuse_model(model: Any) -> None:
    """See that `model` can be taken over.

    Raises:
        UserError: it is not of transformers, or was taken over before.
    """
    if not isinstance(model, PreTrainedModel):
        raise UserError(
            f"a {type(model).__name__} cannot be compressed by TheseusCallback: give a model of transformers as"
            " from_pretrained loads it"
        )
    if any(isinstance(part, Slot) for part in model.modules()):
        raise UserError("this model was given to a TheseusCallback before, which took it over: load it anew")


def refuse_short(config: TheseusConfig, steps: int) -> None:
    """See that the replacing rate comes to 1 in `steps` optimizer steps.

    Raises:
        UserError: it does not.
    """
    reached = rate(config.schedule, steps, steps)
    if reached < 1:
        raise UserError(
            f"the replacing rate comes to {reached:.2f} in the {steps} steps of this Trainer, and has to reach 1:"
            " train for more steps, or choose a schedule that rises sooner"
        )


def refuse_arguments(args: TrainingArguments) -> None:
    """See that Trainer, whose Accelerator is there already, leaves room for a path that changes from pass to pass.

    Raises:
        UserError: it does not.
    """
    for name in ("FSDP", "DeepSpeed"):
        if asked(f"ACCELERATE_USE_{name.upper()}"):  # by the launcher, or by the Accelerator for Trainer's arguments
            raise UserError(
                f"TheseusCallback does not work with {name}, which wraps one model for good: leave it out, or use"
                " `theseus-plugin compress` with training.sharding: blocks"
            )
    if args.n_gpu > 1:
        raise UserError(
            f"Trainer would spread each pass over {args.n_gpu} GPUs in one process, where modules cannot be switched:"
            " start the script with torchrun or accelerate launch, or set CUDA_VISIBLE_DEVICES=0"
        )
    finds = args.ddp_find_unused_parameters
    if finds is None:  # Trainer decides: not with checkpointing, which transformers 5.0 calls otherwise
        finds = not (getattr(args, "activation_checkpointing", None) or args.gradient_checkpointing)
    if args.world_size > 1 and (not finds or args.ddp_static_graph):
        raise UserError(
            "each pass leaves parameters out, and DistributedDataParallel has to look for them: set"
            " ddp_find_unused_parameters=True and leave ddp_static_graph out"
        )
    for name in ("torch_compile", "neftune_noise_alpha", "restore_callback_states_from_checkpoint"):
        if getattr(args, name):
            raise UserError(f"TheseusCallback does not work with {name}: leave it out of TrainingArguments")
