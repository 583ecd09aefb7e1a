"""The options of training, shared by every method that trains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.errors import UserError
from theseus_plugin.launching.asked_for import Sharding, launched_accumulation, launched_sharding
from theseus_plugin.options.validation import MOST_STEPS, Count, Options, Seed, Steps


class TrainingConfig(Options):
    """How to train. A step is one update of the weights by the optimizer, whatever the number of processes."""

    epochs: float = Field(3.0, gt=0, le=1_000_000, description="Passes over the training set")
    max_steps: Steps | None = Field(None, description="Optimizer steps in all; replaces epochs")
    batch_size: Count = Field(32, description="Examples per forward pass and process")
    gradient_accumulation: Count = Field(
        default_factory=launched_accumulation,
        description="Forward passes per optimizer step; default: the launcher's gradient_accumulation_steps, else 1",
    )
    eval_batch_size: Count = Field(64, description="Examples per forward pass and process when evaluating")
    eval_steps: Count | None = Field(
        None, description="Optimizer steps between evaluations; default: ten evaluations in all"
    )
    learning_rate: float = Field(
        5e-5,
        gt=0,
        description="Peak learning rate of AdamW",
        json_schema_extra={"search": [2e-5, 5e-5, 1e-4, 2e-4, 4e-4]},
    )
    lr_schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="After the warm-up")
    lr_per_phase: bool = Field(
        True, description="Whether each phase has a warm-up and a decay of its own; false: one over all phases"
    )
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises from 0"
    )
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW; none on biases and normalisation weights")
    max_grad_norm: float | None = Field(1.0, gt=0, description="Clip the global gradient norm; null: no clipping")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="auto: the launcher's mixed_precision, else bf16 autocast where the hardware is faster in it, else"
        " fp32",
    )
    seed: Seed = Field(42, description="Of new weights, dropout, data order and replacing draws")
    sharding: Sharding = Field(
        default_factory=launched_sharding,
        description="blocks: every process holds a part of each block (FSDP2), for models too large to be held whole;"
        " default: blocks where launched with Accelerate's FSDP, else none",
    )
    checkpoint_steps: Count | None = Field(
        None, description="Optimizer steps between checkpoints; default: one after each evaluation"
    )
    resume: bool = Field(False, description="Continue an interrupted run of the same recipe from its last checkpoint")
    trackers: tuple[str, ...] = Field((), description="Experiment trackers by their Accelerate names, e.g. tensorboard")
    tracker_folder: str = Field("runs/trackers", description="Where trackers that write files put them")

    def steps(self, per_epoch: int) -> int:
        """Optimizer steps in all, an epoch having `per_epoch` of them.

        Raises:
            UserError: more than any run has.
        """
        steps = self.max_steps or max(1, round(self.epochs * per_epoch))
        if steps > MOST_STEPS:
            said = f"{self.epochs:g} epochs are {steps:,} optimizer steps, more than {MOST_STEPS:,}"
            raise UserError(f"{said}: lower epochs, or set max_steps")
        return steps
