"""The options of the baselines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.surgery.partition import Initialisation
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.training.config import TrainingConfig


class BaselineConfig(Shape):
    """What all have in common."""

    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train")


class TruncationConfig(BaselineConfig):
    """The shallower model, trained on the task alone."""

    initialisation: Initialisation = Field(
        "first", description="As elsewhere; by default the first ones, as the name says"
    )


class LogitsConfig(BaselineConfig):
    """Distillation of logits."""

    temperature: float = Field(5.0, gt=0, description="Softens both distributions; the losses of regression have none")
    teacher_share: float = Field(0.5, ge=0, le=1, description="Weight of the teacher's loss; the labels' has the rest")


class PatientConfig(LogitsConfig):
    """Distillation of logits and of the first token's hidden states."""

    hidden_weight: float = Field(100.0, ge=0, description="Weight of the loss of hidden states")
    patience: Literal["skip", "last"] = Field(
        "skip", description="Teacher blocks to follow: the last of each module, or the last ones"
    )


class TinyBertConfig(BaselineConfig):
    """Distillation of hidden states and attention, then of logits."""

    initialisation: Initialisation = Field(
        "module-last",
        description="As elsewhere; by default a block starts as the one whose hidden states and attention it imitates",
    )
    intermediate_share: float = Field(
        0.5, gt=0, lt=1, description="Share of the steps for hidden states and attention, before the logits"
    )
    temperature: float = Field(1.0, gt=0, description="Of the logits")
