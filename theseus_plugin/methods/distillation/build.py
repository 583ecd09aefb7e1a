"""A baseline from a predecessor's folder to a successor's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from theseus_plugin.contract import Result, Task
from theseus_plugin.methods.distillation.config import BaselineConfig
from theseus_plugin.methods.teaching.pair import Pair
from theseus_plugin.surgery.plan import check_shape, kinds_of, notes, partition_of, plan_stacks
from theseus_plugin.surgery.successor import build_successor
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun

Phases = Callable[[Pair, int], Sequence[Phase]]
"""What to train one after the other, given the pair and the optimizer steps in all."""


def compress(name: str, predecessor: str, successor: str, task: Task, config: BaselineConfig, phases: Phases) -> Result:
    """Train a shallower model, all of it, and write it to `successor`.

    Raises:
        UserError: as `TrainingRun` and `Loop.run`; the predecessor has no trained head, its blocks cannot be found,
            or the options do not fit them.
    """
    method = {"name": name, **config.model_dump(mode="json")}
    check_shape(predecessor, task.auto_class, config)
    run = TrainingRun(name, predecessor, successor, task, {"method": method}, config.training)
    teacher = run.load_model()
    plans = plan_stacks(teacher, config)
    for note in notes(plans):
        run.console.print(note, markup=False)
    # a student shares what is no block with the model it was cut from, and trains it
    student = build_successor(copy.deepcopy(teacher), [plan.cut for plan in plans], config.intermediate_size)
    teacher.requires_grad_(False)
    pair = Pair(student, teacher, plans, shifted=task.auto_class == "AutoModelForCausalLM")

    loop = run.loop()
    chosen = phases(pair, loop.steps)
    loop.place(chosen, teacher)
    before = run.evaluate(teacher)
    outcome = loop.run(chosen, student.parameters)
    return run.publish(student, outcome, before, {"partition": partition_of(plans), "kinds": kinds_of(plans)})
