"""The options of progressive module replacing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.replacing.schedules import LinearSchedule, Schedule
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.validation import Options


class TheseusConfig(Options):
    """Progressive module replacing. Defaults follow the paper but for what `docs/theseus.md` names."""

    successor_blocks: int = Field(ge=1, description="Blocks of the successor, one per module")
    partition: tuple[int, ...] | None = Field(
        None, description="Predecessor blocks of each module; default: the same number for each"
    )
    schedule: Schedule = Field(default_factory=LinearSchedule, description="How the replacing rate moves")
    successor_phase: Literal["all", "blocks"] = Field(
        "all",
        description="What trains once p is 1: the whole successor, or its blocks only as in the authors' code",
    )
    predecessor_dropout: bool = Field(
        True, description="Keep the frozen predecessor's dropout active, as the authors do"
    )
    clip_scope: Literal["trainable", "all"] = Field(
        "trainable",
        description="Gradients in the clipping norm; all: frozen weights too, as in the authors' code (slower)",
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train")
