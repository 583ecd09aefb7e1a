"""The switch of progressive module replacing: predecessor run or successor block, one draw per module and forward.

It knows nothing of the architecture: a block is any module that takes hidden states first and returns them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn


class ReplaceableModule(nn.Module):
    """Stands in the model's stack where one successor block will be (BERT-of-Theseus, equations 2 and 3).

    Runs the successor block if `replaced`, else the run of predecessor blocks; only the chosen branch is computed.
    In eval mode it always runs the successor.

    Args:
        predecessor: consecutive blocks, frozen by the caller.
        successor: the block that is to take their place.
        predecessor_dropout: whether the predecessor's dropout stays active in training, as in the authors' code.
    """

    def __init__(
        self, predecessor: Iterable[nn.Module], successor: nn.Module, predecessor_dropout: bool = True
    ) -> None:
        super().__init__()
        self.predecessor = nn.ModuleList(predecessor)
        self.successor = successor
        self.predecessor_dropout = predecessor_dropout
        self.replaced = True

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Hidden states of shape (batch, length, width) in and out; further arguments go to every block as they are."""
        if self.replaced or not self.training:
            return self.successor(hidden_states, *args, **kwargs)  # type: ignore[no-any-return]
        for block in self.predecessor:
            hidden_states = block(hidden_states, *args, **kwargs)
        return hidden_states

    def train(self, mode: bool = True) -> ReplaceableModule:
        """As `nn.Module.train`, but the predecessor stays in eval mode where its dropout is not wanted."""
        super().train(mode)
        if not self.predecessor_dropout:
            self.predecessor.eval()
        return self


def draw(rate: float, modules: int, seed: int, micro_step: int) -> tuple[bool, ...]:
    """Which modules are replaced in one forward pass: independent draws of probability `rate`, for the whole batch.

    The draw depends on (`seed`, `micro_step`) alone: every process makes the same one without communication, and
    so does a resumed run. A draw that replaces nothing is drawn again. Such a pass would hold nothing trainable,
    so it could teach nothing; what remains is the paper's distribution over the passes that can. The share of
    modules replaced is therefore p / (1 - (1 - p)^n), a little above p; `Switch` counts it.
    """
    generator = random.Random(f"{seed}:{micro_step}")
    while True:
        replaced = tuple(generator.random() < rate for _ in range(modules))
        if any(replaced):
            return replaced


class Switch:
    """Sets all modules before each forward pass and counts what it set."""

    def __init__(self, modules: Sequence[ReplaceableModule], seed: int) -> None:
        self.modules = modules
        self.seed = seed
        self.decided = 0
        self.replaced = 0

    def set(self, rate: float, micro_step: int) -> tuple[bool, ...]:
        """Draw for this pass and put the draw into effect."""
        chosen = draw(rate, len(self.modules), self.seed, micro_step)
        for module, replaced in zip(self.modules, chosen, strict=True):
            module.replaced = replaced
        self.decided += len(chosen)
        self.replaced += sum(chosen)
        return chosen

    @property
    def effective_rate(self) -> float:
        """Share of modules that were replaced so far; 0 before the first pass."""
        return self.replaced / max(1, self.decided)
