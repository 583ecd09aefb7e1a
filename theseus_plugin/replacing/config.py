"""The options of progressive module replacing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from theseus_plugin import registry
from theseus_plugin.contract import Schedule, as_recipe
from theseus_plugin.errors import UserError
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.validation import Options

Blocks = Annotated[int, Field(ge=1)]
Runs = Literal["spread"] | tuple[Blocks | tuple[Blocks, Blocks], ...]


def _schedule(given: Any) -> Schedule:
    """The schedule plugin that a section `{name: ..., ...}` names."""
    if not isinstance(given, Mapping):
        return given  # type: ignore[no-any-return]
    if "name" not in given:
        raise UserError(f"schedule.name is missing: choose one of {', '.join(registry.names('schedule'))}")
    options = {key: value for key, value in given.items() if key != "name"}
    return registry.create("schedule", given["name"], options, where="schedule")  # type: ignore[no-any-return]


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
            "search": [{"name": "linear"}, *({"name": "constant", "rate": rate} for rate in (0.5, 0.7))],
        }
    ),
]
"""A plugin of the group `model_compression.schedules`, in a recipe its name and its options."""


class TheseusConfig(Options):
    """Progressive module replacing. Defaults follow the paper but for what `docs/theseus.md` names."""

    successor_blocks: Blocks | dict[str, Blocks] = Field(
        description="Blocks of the successor; of a model with two stacks that of each, or by stack:"
        " {encoder: 6, decoder: 2}, where one that is not named stays as it is",
    )
    partition: Runs | dict[str, Runs] | None = Field(
        None,
        description="Predecessor blocks of each module, or pairs: of predecessor and of successor blocks; `spread`: as"
        " equal as can be; by stack where there are two; default: the same number for each",
    )
    modules: Blocks | None = Field(
        None, description="Modules of each stack, switched one by one; default: one for each successor block"
    )
    initialisation: Literal["first", "every-other", "last"] = Field(
        "first",
        description="The predecessor blocks that the successor's start as copies of: the first ones (as in the paper),"
        " the first of each module's own, or the last ones",
    )
    intermediate_size: int | None = Field(
        None, ge=1, description="Width of the successor's feed-forward layers, which keep their strongest units"
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
    clip_scope: Literal["trainable", "all"] = Field(
        "trainable",
        description="Gradients in the clipping norm; all: frozen weights too, as in the authors' code (slower)",
    )
    module_costs: bool = Field(
        False, description="At the end of the replacing phase, measure what replacing each module alone costs"
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train")
