"""The training step of the authors of BERT-of-Theseus, from its description: what the loop is compared with.

Every parameter keeps its gradient, the predecessor's too; clipping looks at all of them; the optimizer, AdamW, holds
the successor's layers; inputs are padded to 128 tokens; fp32. Attention and AdamW are today's, which favours it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

LENGTH = 128


class Pair(nn.Module):
    """A run of predecessor layers and the successor layer that stands for it."""

    def __init__(self, predecessor: Sequence[nn.Module], successor: nn.Module) -> None:
        super().__init__()
        self.predecessor = nn.ModuleList(predecessor)
        self.successor = successor
        self.replaced = False

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run one of them."""
        for layer in [self.successor] if self.replaced else self.predecessor:
            hidden_states = layer(hidden_states, *args, **kwargs)
        return hidden_states


class Authors:
    """Their step for a BERT classifier of twice as many layers as the successor has."""

    def __init__(self, model: PreTrainedModel, learning_rate: float) -> None:
        layers = list(model.bert.encoder.layer)
        count = len(layers) // 2
        self.pairs = [Pair(layers[2 * i : 2 * i + 2], copy.deepcopy(layers[i])) for i in range(count)]
        model.bert.encoder.layer = nn.ModuleList(self.pairs)
        model.requires_grad_(True)
        self.model = model.train()
        successor = [parameter for pair in self.pairs for parameter in pair.successor.parameters()]
        self.optimizer = torch.optim.AdamW(successor, lr=learning_rate)

    def step(self, batch: Mapping[str, Tensor], draw: Sequence[bool]) -> None:
        """Forward, backward, clipping and update for one batch."""
        for pair, replaced in zip(self.pairs, draw, strict=True):
            pair.replaced = replaced
        self.model(**batch).loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.model.zero_grad()


def padded(batch: Mapping[str, Tensor], length: int = LENGTH) -> dict[str, Tensor]:
    """The batch with zeros up to `length` tokens, which is what BERT's vocabulary pads with."""
    return {
        name: nn.functional.pad(values, (0, length - values.shape[1])) if values.ndim == 2 else values
        for name, values in batch.items()
    }
