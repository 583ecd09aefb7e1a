"""What is counted of a language model's guesses, and the metrics made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from theseus_plugin.contract import IGNORED

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class TokenLosses:
    """The `reduce` of language models: sums of each example over the tokens it is asked about."""

    ahead: bool
    """Whether the logits at a token are for the one behind it, as those of a decoder."""

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of (sum of the losses, tokens guessed right), and how many tokens there were.

        Args:
            logits: of shape (batch, length, vocabulary).
            labels: of shape (batch, length), `IGNORED` where nothing is asked.
        """
        import torch
        from torch.nn.functional import cross_entropy

        if self.ahead:
            logits, labels = logits[:, :-1], labels[:, 1:]
        losses = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        right = (logits.argmax(-1) == labels).sum(1)  # no guess is `IGNORED`
        return torch.stack([losses.sum(1), right.to(losses.dtype)], dim=1), (labels != IGNORED).sum(1)


def perplexity(rows: np.ndarray, counted: np.ndarray) -> float:
    """The exponential of the mean loss of all tokens asked about."""
    mean = float(rows[:, 0].sum(dtype="float64")) / _tokens(counted)
    return math.exp(min(mean, 700.0))  # beyond lies infinity, which is not JSON


def accuracy(rows: np.ndarray, counted: np.ndarray) -> float:
    """Share of tokens guessed right."""
    return float(rows[:, 1].sum(dtype="float64")) / _tokens(counted)


def _tokens(counted: np.ndarray) -> int:
    total = int(counted.sum())
    if not total:
        raise ValueError("no token is asked about")
    return total
