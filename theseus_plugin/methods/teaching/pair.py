"""A student and the frozen teacher that it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.errors import UserError
from theseus_plugin.methods.teaching.logits import Imitation
from theseus_plugin.surgery.plan import Plan


@dataclass(frozen=True)
class Pair:
    """Both models, and how their blocks belong together."""

    student: PreTrainedModel
    teacher: PreTrainedModel
    plans: Sequence[Plan]
    shifted: bool
    """Whether logits answer for the next token."""

    def blocks(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The student's and the teacher's.

        Raises:
            UserError: there are two stacks.
        """
        if len(self.plans) > 1:
            raise UserError("hidden states are imitated in models with one stack: use the method kd")
        stack = self.plans[0].cut.stack
        return list(stack.blocks(self.student)), list(stack.blocks(self.teacher))

    def imitation(self, temperature: float, share: float) -> Imitation:
        """What the student's loss takes from the teacher's logits."""
        return Imitation(self.teacher, self.shifted, temperature, share)
