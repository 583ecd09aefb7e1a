"""What a student is to imitate, as scalars; every one is a mean over examples or tokens.

Everything here takes tensors of the student first, of the teacher second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def patient_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Squared distance of the first token's hidden states, each brought to length 1 (PKD, Sun et al. 2019, equation 7).

    Args:
        student: of each block, (batch, length, hidden).
        teacher: of the block that each follows.
    """
    pairs = zip(student, teacher, strict=True)
    normal = [[functional.normalize(hidden[:, 0].float(), dim=-1) for hidden in pair] for pair in pairs]
    distances = [(ours - theirs).square().sum(-1).mean() for ours, theirs in normal]
    return torch.stack(distances).sum()


def hidden_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], tokens: Tensor) -> Tensor:
    """Mean squared distance of hidden states, summed over blocks (TinyBERT, Jiao et al. 2020, equations 8 and 9).

    Args:
        student: of the embeddings and each block, (batch, length, hidden).
        teacher: of what each follows.
        tokens: (batch, length), which are no padding.
    """
    pairs = zip(student, teacher, strict=True)
    return torch.stack(
        [functional.mse_loss(ours[tokens].float(), theirs[tokens].float()) for ours, theirs in pairs]
    ).sum()


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], tokens: Tensor) -> Tensor:
    """Mean squared distance of attention scores before the softmax, summed over blocks (TinyBERT, equation 7).

    Args:
        student: of each block, (batch, heads, length, length).
        teacher: of the block that each follows.
        tokens: (batch, length), which are no padding; scores from or to padding do not count.
    """
    counted = (tokens[:, None, :, None] & tokens[:, None, None, :]).expand_as(student[0])
    pairs = zip(student, teacher, strict=True)
    return torch.stack(
        [functional.mse_loss(ours[counted].float(), theirs[counted].float()) for ours, theirs in pairs]
    ).sum()
