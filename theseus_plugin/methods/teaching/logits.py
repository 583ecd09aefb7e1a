"""A loss of which a part is the distance from another model's logits (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from theseus_plugin.contract import IGNORED, Task


@dataclass(frozen=True)
class Imitation:
    """The weighted mean of a model's own loss and of what its logits are away from a frozen model's."""

    model: PreTrainedModel
    """The one that is imitated."""
    shifted: bool
    """Whether logits answer for the next token."""
    temperature: float
    """Softens both distributions; those of a regression are numbers, which have none."""
    share: float
    """Weight of the distance; the loss has the rest."""

    def ask(self, batch: Mapping[str, Tensor]) -> Any:
        """What the imitated model makes of a batch."""
        return ask(self.model, batch)

    def loss(self, ours: Any, theirs: Any, labels: Tensor) -> Tensor:
        """The weighted mean, of the outputs of the model that trains and of the imitated one."""
        mine, its = (asked(output.logits, labels, self.shifted) for output in (ours, theirs))
        own: Tensor = ours.loss.float()
        return (1 - self.share) * own + self.share * logits_loss(mine, its, self.temperature)


def ask(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Any:
    """What a model that does not train, without dropout, makes of a batch."""
    with torch.no_grad():
        return model.eval()(**{name: value for name, value in batch.items() if name != "labels"})


def logits_loss(ours: Tensor, theirs: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened distributions, times the squared temperature (Hinton et al. 2015, section
    2); for one output, that of a regression, the squared distance.

    Args:
        ours: (rows, outputs).
        theirs: the same shape.
        temperature: divides both.
    """
    if ours.shape[-1] == 1:
        return functional.mse_loss(ours.float(), theirs.float())
    mine = functional.log_softmax(ours.float() / temperature, dim=-1)
    its = functional.log_softmax(theirs.float() / temperature, dim=-1)
    return functional.kl_div(mine, its, reduction="batchmean", log_target=True) * temperature**2


def is_shifted(task: Task) -> bool:
    """Whether the logits of a task's models answer for the next token."""
    return task.auto_class == "AutoModelForCausalLM"


def asked(logits: Tensor, labels: Tensor, shifted: bool) -> Tensor:
    """The rows of `logits` that have a label: (rows, outputs). `shifted`: those of the token before it."""
    if logits.ndim == 2:
        return logits
    if shifted:
        logits, labels = logits[:, :-1], labels[:, 1:]
    return logits[labels != IGNORED]
