"""The options of progressive module replacing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from theseus_plugin.contract import Schedule, as_recipe
from theseus_plugin.plugins import registry
from theseus_plugin.surgery.shape import Blocks, Shape
from theseus_plugin.training.config import TrainingConfig


def _schedule(given: Any) -> Schedule:
    """The schedule plugin that a section `{name: ..., ...}` names."""
    if hasattr(given, "rate_at"):
        return given  # type: ignore[no-any-return]
    return registry.create_named("schedule", given, where="schedule")  # type: ignore[no-any-return]


ChosenSchedule = Annotated[
    Any,
    BeforeValidator(_schedule),
    PlainSerializer(as_recipe),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": True,
            "search": [
                *(
                    {"name": "linear", "base_rate": base, "share": share}
                    for base in (0.1, 0.3, 0.5)
                    for share in (0.3, 0.6, 0.9)
                ),
                *({"name": "constant", "rate": rate} for rate in (0.5, 0.7)),
            ],
        }
    ),
]
"""A plugin of the group `model_compression.schedules`, in a recipe its name and its options."""


class TheseusConfig(Shape):
    """Progressive module replacing. Defaults follow the paper but for what `docs/theseus.md` names."""

    modules: Blocks | None = Field(
        None, description="Modules of each stack, switched one by one; default: one for each successor block"
    )
    schedule: ChosenSchedule = Field(
        {"name": "linear"}, validate_default=True, description="How the replacing rate moves: name and options"
    )
    mixing: Literal["drawn", "deterministic"] = Field(
        "drawn",
        description="drawn: a module is replaced or not (the paper); deterministic: both branches run and p is the"
        " successor's share of the output",
    )
    successor_phase: Literal["all", "blocks"] = Field(
        "all",
        description="What trains once p is 1: the whole successor, or its blocks only as in the authors' code",
    )
    predecessor_dropout: bool = Field(
        True, description="Keep the frozen predecessor's dropout active, as the authors do"
    )
    logits_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Beyond the paper: weight in the loss of the distance from the predecessor's logits; the task's"
        " own loss has the rest",
    )
    temperature: float = Field(5.0, gt=0, description="Softens the logits that `logits_share` compares")
    clip_scope: Literal["trainable", "all"] = Field(
        "trainable",
        description="Gradients in the clipping norm; all: frozen weights too, as in the authors' code (slower)",
    )
    module_costs: bool = Field(
        False, description="At the end of the replacing phase, measure what replacing each module alone costs"
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train")
