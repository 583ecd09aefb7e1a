"""The options that say what a shallower model looks like, shared by every method that makes one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.options.validation import Count, Options
from theseus_plugin.surgery.partition import Initialisation

Blocks = Count
Runs = Literal["spread"] | tuple[Blocks | tuple[Blocks, Blocks], ...]


class Shape(Options):
    """How many blocks the successor has, which of the predecessor's they start as, and how wide they are."""

    successor_blocks: Blocks | dict[str, Blocks] = Field(
        description="Blocks of the successor; of a model with two stacks that of each, or by stack:"
        " {encoder: 6, decoder: 2}, where one that is not named stays as it is",
    )
    partition: Runs | dict[str, Runs] | None = Field(
        None,
        description="Predecessor blocks of each module, or pairs: of predecessor and of successor blocks; `spread`: as"
        " equal as can be; by stack where there are two; default: the same number for each",
    )
    initialisation: Initialisation = Field(
        "every-other",
        description="The predecessor blocks that the successor's start as copies of: the first of each module's own,"
        " the first ones (as in the paper), the last of each module's own, or the last ones",
    )
    intermediate_size: Count | None = Field(
        None, description="Width of the successor's feed-forward layers, which keep their strongest units"
    )
