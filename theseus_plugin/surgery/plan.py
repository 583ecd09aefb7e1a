"""What is to become of each stack of a model, from the options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import transformers
from transformers import PreTrainedModel

from theseus_plugin.checkpoint import load_config
from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.quiet import quiet
from theseus_plugin.surgery.configure import kinds_built
from theseus_plugin.surgery.kinds import Kinds
from theseus_plugin.surgery.partition import BY_MODULE, Part, partition_blocks, places, runs, sources
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.shares import fit_kinds, keep_shares, told, wanted_counts
from theseus_plugin.surgery.stack import Stack, find_stacks, skeleton
from theseus_plugin.surgery.successor import Cut, check_fit, configuration, follow_depth

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is to become of one stack."""

    parts: Sequence[Part]
    cut: Cut
    kinds: Sequence[str]
    """Of each predecessor block; see `Kinds`."""


def plan_stacks(predecessor: PreTrainedModel, shape: Shape, modules: int | None = None) -> list[Plan]:
    """What the options say of each stack of `predecessor` that becomes shallower.

    Args:
        predecessor: the model to look at.
        shape: of the successor.
        modules: how many each stack has; default: one for each successor block.

    Raises:
        UserError: an architecture without stacks, a stack that does not exist, what `partition_blocks` refuses, or a
            block that would start as a copy of one of another kind, whose weights do not fit.
    """
    stacks = find_stacks(predecessor)
    for option in ("successor_blocks", "partition"):
        given = getattr(shape, option)
        for name in given if isinstance(given, dict) else ():
            if name not in {stack.name for stack in stacks}:
                valid = did_you_mean(name, (stack.name for stack in stacks))
                raise UserError(f"{option}: no stack {name!r} in this model: {valid}")
    chosen = [stack for stack in stacks if _of(shape.successor_blocks, stack) is not None]
    if shape.intermediate_size is not None and len(chosen) < len(stacks):
        raise UserError("intermediate_size changes every stack: name all of them in successor_blocks")
    plans = [_plan(predecessor, stack, shape, modules) for stack in chosen]
    if shape.initialisation in BY_MODULE and any(len(set(plan.kinds)) > 1 for plan in plans):
        plans = _as_built(predecessor, plans)
    cuts = [plan.cut for plan in plans]
    config = configuration(predecessor, cuts)
    check_fit(predecessor, cuts, config)
    return [_at_its_source(plan) for plan in plans] if follow_depth(predecessor, cuts, config) else plans


def check_shape(checkpoint: str, auto_class: str, shape: Shape, modules: int | None = None) -> None:
    """Refuse what `plan_stacks` would, from the checkpoint's configuration alone: before any example is read.

    Args:
        checkpoint: a folder or a hub name.
        auto_class: name of the `transformers` auto class that loads it.
        shape: of the successor.
        modules: how many each stack has.

    Raises:
        UserError: as `plan_stacks`, or the checkpoint has no configuration.
    """
    config = load_config(checkpoint)
    try:
        with quiet(), torch.device("meta"):
            skeleton = getattr(transformers, auto_class).from_config(config)
    except ValueError:  # no model of this class: loading it tells that
        return
    plan_stacks(skeleton, shape, modules)


def partition_of(plans: Sequence[Plan]) -> dict[str, list[list[int]]]:
    """By stack, (predecessor blocks, successor blocks) of each module, as a record shows it."""
    return {
        plan.cut.stack.name: [[len(part.predecessor), len(part.successor)] for part in plan.parts] for plan in plans
    }


def notes(plans: Sequence[Plan]) -> list[str]:
    """What a user should know of the kinds of blocks that the successor is made of; nothing where all is well."""
    found = []
    for plan in plans:
        counts, cut = told(plan.kinds, plan.cut.sources), plan.cut
        wanted = wanted_counts(plan.kinds, len(cut.sources))
        if any(abs(after - wanted[kind]) > 1 or (after == 0 and wanted[kind]) for kind, (_, after) in counts.items()):
            shown = ", ".join(f"{after} of {before} {kind}" for kind, (before, after) in counts.items())
            found.append(f"{cut.stack.name}: kinds of blocks do not keep their shares: {shown}")
        apart = [
            f"{at} (a copy of {source}, {plan.kinds[source]}, at a place for {plan.kinds[place]})"
            for at, (source, place) in enumerate(zip(cut.sources, cut.places, strict=True))
            if plan.kinds[source] != plan.kinds[place]
        ]
        if apart:
            found.append(f"{cut.stack.name}: modules have no place of the kind of these blocks: {', '.join(apart)}")
    return found


def kinds_of(plans: Sequence[Plan]) -> dict[str, dict[str, list[int]]]:
    """By stack and kind of block, how many the predecessor has and the successor; empty where all are of one kind."""
    return {
        plan.cut.stack.name: {kind: list(counts) for kind, counts in told(plan.kinds, plan.cut.sources).items()}
        for plan in plans
        if len(set(plan.kinds)) > 1
    }


def _plan(predecessor: PreTrainedModel, stack: Stack, shape: Shape, modules: int | None) -> Plan:
    blocks, partition = _of(shape.successor_blocks, stack), _of(shape.partition, stack)
    assert blocks is not None
    parts = partition_blocks(stack.depth, blocks, partition, modules)
    kinds = Kinds(predecessor.config, stack.blocks(predecessor)).of
    chosen = sources(parts, shape.initialisation, kinds)
    return Plan(parts, Cut(stack, chosen, places(parts, chosen, kinds)), kinds)


def _as_built(predecessor: PreTrainedModel, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with sources of the kinds that the model builds at each place, whatever its config lists.

    Some architectures decide by the place alone: every second block is sparse, or the last one has global attention.
    """
    stacks = [plan.cut.stack for plan in plans]
    kinds = [Kinds(predecessor.config, stack.blocks(predecessor)) for stack in stacks]
    try:
        built = _kinds_built(predecessor, plans, kinds)
    except Exception:  # as Gemma-4's config, whose last block has to be of the kind that the last one was
        plans = [
            _with_sources(plan, keep_shares(runs(plan.parts), plan.cut.sources, plan.kinds, last_alike=True))
            for plan in plans
        ]
        built = [[plan.kinds[source] for source in plan.cut.sources] for plan in plans]
    return [
        _with_sources(plan, fit_kinds(runs(plan.parts), plan.cut.sources, plan.kinds, asked))
        for plan, asked in zip(plans, built, strict=True)
    ]


def _kinds_built(predecessor: PreTrainedModel, plans: Sequence[Plan], kinds: Sequence[Kinds]) -> list[list[str]]:
    cuts = [plan.cut for plan in plans]
    model = skeleton(type(predecessor), configuration(predecessor, cuts))
    return kinds_built(model, [cut.stack for cut in cuts], kinds)


def _at_its_source(plan: Plan) -> Plan:
    """The plan with each block at the place of its source, if that is in its module: some models hand to each place
    what is its own, as Gemma-4 does with embeddings of its own for each block.
    """
    own = [plan.cut.sources[block] in part.predecessor for part in plan.parts for block in part.successor]
    return replace(plan, cut=replace(plan.cut, places=plan.cut.sources)) if all(own) else plan


def _with_sources(plan: Plan, chosen: Sequence[int]) -> Plan:
    return Plan(plan.parts, Cut(plan.cut.stack, chosen, places(plan.parts, chosen, plan.kinds)), plan.kinds)


def _of(option: T | Mapping[str, T], stack: Stack) -> T | None:
    return option.get(stack.name) if isinstance(option, Mapping) else option
