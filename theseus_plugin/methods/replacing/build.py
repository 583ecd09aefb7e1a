"""Progressive module replacing from a predecessor's folder to a successor's."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from transformers import PreTrainedModel

from theseus_plugin.contract import Result, Task
from theseus_plugin.methods.replacing.assembly import Assembly, assemble, cast_frozen
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.module_costs import FILE, draw_costs
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.replacing.schedules import replacing_steps
from theseus_plugin.methods.teaching.logits import Imitation
from theseus_plugin.metric_scale import Scale
from theseus_plugin.surgery.plan import check_shape, kinds_of, notes, partition_of
from theseus_plugin.training.run import TrainingRun


def compress(predecessor: str, successor: str, task: Task, config: TheseusConfig) -> Result:
    """Train a successor of `predecessor` on `task` and write it to `successor`.

    Raises:
        UserError: as `TrainingRun` and `Loop.run`; the predecessor has no trained head, its blocks cannot be found,
            or the options do not fit them.
    """
    method = {"name": "theseus", **config.model_dump(mode="json")}
    check_shape(predecessor, task.auto_class, config, config.modules)
    run = TrainingRun("theseus", predecessor, successor, task, {"method": method}, config.training)
    model = run.load_model()
    imitation = _imitation(model, task, config)
    assembly = assemble(model, config)
    for note in notes(assembly.plans):
        run.console.print(note, markup=False)

    loop = run.loop()
    steps = replacing_steps(config.schedule, loop.steps)
    replacing = ReplacingPhase(assembly, config, steps, loop.steps, imitation)
    following = SuccessorPhase(assembly, config, loop.steps - steps, imitation)
    loop.place([replacing, following])
    with assembly.nothing_replaced():
        before = run.evaluate(model)
    if run.accelerator.mixed_precision == "bf16" and _only_trains(config):
        cast_frozen(assembly, torch.bfloat16)
    outcome = loop.run([replacing, following], lambda: _trained(assembly, config))

    details = {
        "partition": partition_of(assembly.plans),
        "kinds": kinds_of(assembly.plans),
        "effective_rate": replacing.switch.effective_rate,
        "module_costs": replacing.module_costs,
    }

    def plot(folder: Path) -> None:
        if not replacing.module_costs:
            return
        scale = Scale(run.data.metric, run.data.metric in run.data.lower_is_better)
        try:
            draw_costs(replacing.module_costs, scale, folder / FILE)
        except ImportError:
            run.console.print("no plot of the modules' costs: pip install 'theseus-plugin[plot]'", markup=False)

    return run.publish(assembly.successor, outcome, before, details, plot)


def _imitation(predecessor: PreTrainedModel, task: Task, config: TheseusConfig) -> Imitation | None:
    """A copy of the predecessor to be asked for its logits: its own embeddings and head are lent, and trained."""
    if not config.logits_share:
        return None
    shifted = task.auto_class == "AutoModelForCausalLM"
    copied = copy.deepcopy(predecessor).requires_grad_(False)
    return Imitation(copied, shifted, config.temperature, config.logits_share)


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
