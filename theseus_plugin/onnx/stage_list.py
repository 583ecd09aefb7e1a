"""The stages that make an exported graph faster, in their order; each is left out where it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theseus_plugin.onnx import fusion
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.cpu import suit_cpu
from theseus_plugin.onnx.first_query import keep_first_query
from theseus_plugin.onnx.first_token import keep_first_token
from theseus_plugin.onnx.stages import Stages, Write, rewrite


@dataclass(frozen=True)
class Wanted:
    """What an export is of, and for."""

    model: Any
    """The model's configuration."""
    options: ExportConfig
    """What the user wants."""


@dataclass(frozen=True)
class Stage:
    """One way to change the graph."""

    name: str
    """In the record."""
    change: Callable[[Wanted], Write]
    """What does it, for this export."""
    applies: Callable[[Wanted, Collection[str]], bool] = lambda wanted, done: True
    """Whether it is tried, given the names of the stages before it whose results were kept."""


def _fusing(attention: bool) -> Callable[[Wanted], Write]:
    def change(wanted: Wanted) -> Write:
        heads, width = (getattr(wanted.model, name, 0) for name in ("num_attention_heads", "hidden_size"))

        def fuse(source: Path, target: Path) -> Any:
            return fusion.fuse(source, target, heads, width, attention)

        return fuse

    return change


def _for_cpus(wanted: Wanted, done: Collection[str]) -> bool:
    return wanted.options.device == "cpu" and wanted.options.precision != "fp16"


STAGES = (
    Stage("fused", _fusing(attention=True)),
    Stage("fused but for attention", _fusing(attention=False), lambda wanted, done: "fused" not in done),
    Stage("first token", lambda wanted: rewrite(keep_first_token)),
    Stage("first query", lambda wanted: rewrite(keep_first_query), _for_cpus),
    Stage("arranged for the CPU", lambda wanted: rewrite(suit_cpu), _for_cpus),
)


def make_faster(stages: Stages, wanted: Wanted) -> None:
    """Try all that apply."""
    done: list[str] = []
    for stage in STAGES:
        if stage.applies(wanted, done) and stages.attempt(stage.name, stage.change(wanted)):
            done.append(stage.name)
