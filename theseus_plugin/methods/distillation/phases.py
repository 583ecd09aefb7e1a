"""What a student learns from: labels and its teacher's logits, or what its teacher's blocks make of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from theseus_plugin.methods.distillation.config import PatientConfig
from theseus_plugin.methods.teaching.logits import ask
from theseus_plugin.methods.teaching.losses import attention_loss, hidden_loss, patient_loss
from theseus_plugin.methods.teaching.observing import observed, recording_attention
from theseus_plugin.methods.teaching.pair import Pair
from theseus_plugin.surgery.plan import Plan
from theseus_plugin.training.phase import Phase


class LogitsPhase(Phase):
    """The labels and the teacher's logits."""

    def __init__(self, name: str, pair: Pair, temperature: float, teacher_share: float, steps: int) -> None:
        super().__init__(name, pair.student, steps)
        self.imitation = pair.imitation(temperature, teacher_share)

    def asked(self) -> list[PreTrainedModel]:
        """The teacher."""
        return [self.imitation.model]

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The weighted mean of both losses."""
        return self.imitation.loss(self.model(**batch), self.imitation.ask(batch), batch["labels"])


class PatientPhase(LogitsPhase):
    """Also the first token's hidden states after each block but the last (PKD)."""

    def __init__(self, pair: Pair, config: PatientConfig, steps: int) -> None:
        super().__init__("patient distillation", pair, config.temperature, config.teacher_share, steps)
        self.students, self.teachers = pair.blocks()
        self.hidden_weight = config.hidden_weight
        self.followed = followed(pair.plans[0], config.patience)

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of all three."""
        with observed(self.students) as mine:
            ours = self.model(**batch)
        with observed(self.teachers) as seen:
            theirs = self.imitation.ask(batch)
        hidden = [[mine.hidden[i], seen.hidden[j]] for i, j in self.followed]
        distance = patient_loss(*zip(*hidden, strict=True)) if hidden else 0.0
        return self.imitation.loss(ours, theirs, batch["labels"]) + self.hidden_weight * distance


class IntermediatePhase(Phase):
    """Embeddings, and hidden states and attention scores after each module's last block (TinyBERT)."""

    def __init__(self, pair: Pair, steps: int) -> None:
        super().__init__("intermediate distillation", pair.student, steps)
        self.teacher = pair.teacher
        self.students, self.teachers = pair.blocks()
        self.followed = last_blocks(pair.plans[0])

    def asked(self) -> list[PreTrainedModel]:
        """The teacher."""
        return [self.teacher]

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The sum of the three."""
        with recording_attention(self.model, self.teacher):
            with observed(self.students) as ours:
                self.model(**batch)
            with observed(self.teachers) as theirs:
                ask(self.teacher, batch)
        tokens = _tokens(batch, ours.embedded[0])
        mine, its = (
            seen.at(places) for seen, places in zip((ours, theirs), zip(*self.followed, strict=True), strict=True)
        )
        return hidden_loss(mine.embedded + mine.hidden, its.embedded + its.hidden, tokens) + attention_loss(
            mine.scores, its.scores, tokens
        )


def last_blocks(plan: Plan) -> list[tuple[int, int]]:
    """For each module its last successor block and the last predecessor block, which that follows."""
    return [(part.successor[-1], part.predecessor[-1]) for part in plan.parts]


def followed(plan: Plan, patience: str) -> list[tuple[int, int]]:
    """Student and teacher blocks of which hidden states are compared: all of the student's but the last.

    `skip`: `last_blocks`; `last`: the teacher blocks before its own last one (PKD-Skip and PKD-Last).
    """
    if patience == "skip":
        return last_blocks(plan)[:-1]
    blocks, depth = len(plan.cut.sources), plan.cut.stack.depth
    return [(i, depth - blocks + i) for i in range(blocks - 1)]


def _tokens(batch: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
    """Which positions are no padding, (batch, length); patches of images all are not."""
    mask = batch.get("attention_mask")
    return hidden.new_ones(hidden.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
