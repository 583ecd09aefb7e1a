"""The switch of progressive module replacing: predecessor run or successor blocks, one draw per module and forward.

It knows nothing of the architecture: a block is any module that takes hidden states first and returns them, alone or
first in a tuple. The predecessor goes through its stack as ever, one `Slot` in place of each block, so that masks,
positions and whatever else a model hands to each place arrive where they belong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class ReplaceableModule:
    """A run of slots that are switched together (BERT-of-Theseus, equations 2 and 3).

    Attributes:
        replaced: whether the successor blocks run in training.
        in_eval: whether they run in eval mode; so they do, but for measuring what each module costs.
        mix: share of the successor in the output where both run in training (the deterministic mix); None: one runs.
        output: what the successor blocks made so far of what came into the module in this pass.
        begun: whether one of them has run in this pass.
    """

    def __init__(self) -> None:
        self.replaced = True
        self.in_eval = True
        self.mix: float | None = None
        self.output: Any = None
        self.begun = False


class Slot(nn.Module):
    """Stands where one predecessor block stood.

    Args:
        module: the module it is part of.
        predecessor: the block that stood here, frozen by the caller.
        successor: the block that runs here when the module is replaced; None: then nothing does.
        first: whether the module begins here.
        last: whether it ends here.
        predecessor_dropout: whether the predecessor's dropout stays active in training, as in the authors' code.
    """

    def __init__(
        self,
        module: ReplaceableModule,
        predecessor: nn.Module,
        successor: nn.Module | None,
        first: bool,
        last: bool,
        predecessor_dropout: bool = True,
    ) -> None:
        super().__init__()
        self.module = module
        self.predecessor = predecessor
        self.successor = successor
        self.first, self.last = first, last
        self.predecessor_dropout = predecessor_dropout
        self._others: int | None = None  # what comes with the hidden states; see `_as_a_block_gives`

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Hidden states of shape (batch, length, width) in; out comes what a block of the model gives, a tensor or a
        tuple that begins with one. Further arguments go to the block as they are.
        """
        module = self.module
        if self.first:
            module.output, module.begun = hidden_states, False
        if self.training and module.mix is not None:
            output = self._mixed(module.mix, hidden_states, *args, **kwargs)
        elif module.replaced if self.training else module.in_eval:
            output = self._replaced(hidden_states, *args, **kwargs)
        else:
            output = self.predecessor(hidden_states, *args, **kwargs)
        if self.last:
            module.output = None  # else it would hold this pass's memory until the next
        return output

    def _replaced(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.successor is None:
            if not self.module.begun:
                return self._as_a_block_gives(hidden_states, *args, **kwargs)
            # all of it: what comes with the hidden states, such as T5's position bias, goes on from here as well
            return self.module.output
        self.module.output, self.module.begun = self.successor(hidden_states, *args, **kwargs), True
        return self.module.output

    def _mixed(self, share: float, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        output = self.predecessor(hidden_states, *args, **kwargs)
        if self.successor is not None:
            self.module.output = _hidden(self.successor(self.module.output, *args, **kwargs))
        if not self.last:
            return output
        mixed = share * self.module.output + (1 - share) * _hidden(output)
        return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

    def _as_a_block_gives(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Hidden states alone, or in a tuple with nothing else where the blocks of the model give tuples.

        A block is asked once. In eval mode it draws no random numbers, so a run that is resumed goes on as it was.
        """
        if self._others is None:
            block = self.predecessor
            mode = block.training
            with torch.no_grad():
                output = block.eval()(hidden_states, *args, **kwargs)
            block.train(mode)
            self._others = len(output) - 1 if isinstance(output, tuple) else -1
        return hidden_states if self._others < 0 else (hidden_states, *[None] * self._others)

    def train(self, mode: bool = True) -> Slot:
        """As `nn.Module.train`, but the predecessor stays in eval mode where its dropout is not wanted."""
        super().train(mode)
        if not self.predecessor_dropout:
            self.predecessor.eval()
        return self

    def __getattr__(self, name: str) -> Any:
        """What a model asks of a block beside calling it, such as its kind of attention."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("predecessor"), name)


def _hidden(output: Any) -> Tensor:
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden


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
    """Sets all modules before each forward pass and counts what it set.

    Args:
        modules: of all stacks, in order.
        seed: of the draws.
        mixing: `drawn`, or `deterministic`: both branches of every module run, and the rate is the successor's share.
    """

    def __init__(self, modules: Sequence[ReplaceableModule], seed: int, mixing: str = "drawn") -> None:
        self.modules = modules
        self.seed = seed
        self.mixing = mixing
        self.decided = 0
        self.replaced = 0.0

    def set(self, rate: float, micro_step: int) -> tuple[bool, ...]:
        """Draw for this pass and put the draw into effect; with the deterministic mix there is nothing to draw."""
        if self.mixing == "deterministic":
            chosen = (True,) * len(self.modules)
            self.replaced += rate * len(self.modules)
            for module in self.modules:
                module.mix = rate
        else:
            chosen = draw(rate, len(self.modules), self.seed, micro_step)
            self.replaced += sum(chosen)
            self.put(chosen)
        self.decided += len(chosen)
        return chosen

    def put(self, replaced: Sequence[bool]) -> None:
        """Replace exactly these modules."""
        for module, one in zip(self.modules, replaced, strict=True):
            module.replaced = one

    @property
    def effective_rate(self) -> float:
        """Share of modules that were replaced so far, or the mean share of the mix; 0 before the first pass."""
        return self.replaced / max(1, self.decided)
