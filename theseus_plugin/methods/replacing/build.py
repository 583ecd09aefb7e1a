"""A predecessor whose blocks are replaced, and the successor that they turn into."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from theseus_plugin.methods.frame import Built
from theseus_plugin.methods.replacing.assembly import Assembly, assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.module_costs import FILE, draw_costs
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.replacing.schedules import replacing_steps
from theseus_plugin.methods.teaching.logits import Imitation, is_shifted
from theseus_plugin.metric_scale import Scale
from theseus_plugin.training.run import TrainingRun


def build(run: TrainingRun, model: PreTrainedModel, steps: int, config: TheseusConfig) -> Built:
    """Both phases of replacing the modules of `model`.

    Raises:
        UserError: the blocks of `model` cannot be found, or the options do not fit them.
    """
    imitation = _imitation(run, model, config)
    assembly = assemble(model, config)
    first = replacing_steps(config.schedule, steps)
    held = torch.bfloat16 if run.accelerator.mixed_precision == "bf16" and _only_trains(config) else None
    replacing = ReplacingPhase(assembly, config, first, steps, imitation, held)
    following = SuccessorPhase(assembly, config, steps - first, imitation)

    def details() -> dict[str, Any]:
        return {"effective_rate": replacing.switch.effective_rate, "module_costs": replacing.module_costs}

    def plot(folder: Path) -> None:
        if not replacing.module_costs:
            return
        scale = Scale(run.data.metric, run.data.metric in run.data.lower_is_better)
        try:
            draw_costs(replacing.module_costs, scale, folder / FILE)
        except ImportError:
            run.console.print("no plot of the modules' costs: pip install 'theseus-plugin[plot]'", markup=False)

    return Built(
        [replacing, following],
        lambda: _trained(assembly, config),
        assembly.successor,
        assembly.plans,
        untouched=assembly.nothing_replaced,
        details=details,
        more_files=plot,
    )


def _imitation(run: TrainingRun, predecessor: PreTrainedModel, config: TheseusConfig) -> Imitation | None:
    """A copy of the predecessor to be asked for its logits: its own embeddings and head are lent, and trained."""
    if not config.logits_share:
        return None
    copied = copy.deepcopy(predecessor).requires_grad_(False)
    return Imitation(copied, is_shifted(run.task), config.temperature, config.logits_share)


def _only_trains(config: TheseusConfig) -> bool:
    """Whether the predecessor's blocks are neither evaluated, which is done in fp32, nor given gradients, nor split,
    which takes parameters of one precision.
    """
    split = config.training.sharding != "none"
    return not config.module_costs and config.clip_scope == "trainable" and not split


def _trained(assembly: Assembly, config: TheseusConfig) -> list[torch.nn.Parameter]:
    """All parameters that either phase trains, so that one optimizer serves both."""
    model = assembly.successor if config.successor_phase == "all" else assembly.successor_blocks
    return list(model.parameters())
