"""AdamW, its parameter groups, and the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, SequentialLR
from transformers import get_scheduler

from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.sharding import is_sharded


def build_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over `parameters`; vectors (biases and normalisation weights) are not decayed."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in parameters:
        # one fused kernel cannot take parameters that are split over the processes together with others
        groups.setdefault((parameter.ndim > 1, is_sharded(parameter)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": config.weight_decay if decayed else 0.0}
            for (decayed, _), members in groups.items()
        ],
        lr=config.learning_rate,
        fused=True,
    )


def build_lr_schedule(optimizer: torch.optim.Optimizer, config: TrainingConfig, phases: Sequence[int]) -> LRScheduler:
    """Warm-up, then the chosen decay. Stepped by the loop once per optimizer step; not to be prepared by
    Accelerate, which would step it once per process.

    Args:
        optimizer: whose learning rate it moves.
        config: the kind of decay, and whether each phase has its own.
        phases: optimizer steps of each.
    """
    kind = "constant_with_warmup" if config.lr_schedule == "constant" else config.lr_schedule
    lengths = [steps for steps in phases if steps] if config.lr_per_phase else []
    lengths = lengths or [sum(phases)]
    schedules: list[LRScheduler] = [
        get_scheduler(
            kind,
            optimizer,
            num_warmup_steps=round(config.warmup_share * steps),
            num_training_steps=steps,
        )
        for steps in lengths
    ]
    return SequentialLR(optimizer, schedules, list(accumulate(lengths))[:-1])
