"""A student of fewer blocks, and the predecessor as its teacher."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from theseus_plugin.methods.distillation.config import BaselineConfig
from theseus_plugin.methods.frame import Built
from theseus_plugin.methods.teaching.logits import is_shifted
from theseus_plugin.methods.teaching.pair import Pair
from theseus_plugin.surgery.plan import plan_stacks
from theseus_plugin.surgery.successor import build_successor
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun

Phases = Callable[[Pair, int], Sequence[Phase]]
"""What to train one after the other, given the pair and the optimizer steps in all."""


def build(run: TrainingRun, teacher: PreTrainedModel, steps: int, config: BaselineConfig, phases: Phases) -> Built:
    """A shallower model, all of which trains.

    Raises:
        UserError: the blocks of `teacher` cannot be found, or the options do not fit them.
    """
    plans = plan_stacks(teacher, config)
    # a student shares what is no block with the model it was cut from, and trains it
    student = build_successor(copy.deepcopy(teacher), [plan.cut for plan in plans], config.intermediate_size)
    teacher.requires_grad_(False)
    pair = Pair(student, teacher, plans, is_shifted(run.task))
    return Built(phases(pair, steps), student.parameters, student, plans, asked=[teacher])
