"""Fill a block with the weights of another, of its strongest units where its feed-forward layer is narrower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from theseus_plugin.errors import UserError

INNER_FIELDS = (
    "intermediate_size",
    "hidden_dim",
    "n_inner",
    "d_ff",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "ffn_dim",
)
"""Names under which configs hold the width of the feed-forward layer."""


def set_inner_width(config: PretrainedConfig, width: int) -> None:
    """Set the width of the feed-forward layers.

    Raises:
        UserError: the config has no such field, or it is not wider than `width` everywhere.
    """
    fields = [name for name in INNER_FIELDS if name in config.to_dict()]
    if not fields:
        raise UserError(f"intermediate_size: {config.model_type!r} has no feed-forward width that could be changed")
    for name in fields:
        present = getattr(config, name) or 4 * config.hidden_size  # GPT-2 leaves it open
        if not isinstance(present, int) or not 1 <= width <= present:
            raise UserError(f"intermediate_size is {width}, the predecessor's {name} is {present}: choose at most that")
        setattr(config, name, width)


def fill(block: nn.Module, source: nn.Module, fallbacks: Sequence[nn.Module]) -> None:
    """Copy the weights of `source` into `block`, which may be narrower.

    Blocks of one stack can differ by their place: the first one of T5 has the table of relative positions, the first
    one of ModernBERT no norm before its attention. What `block` has and `source` lacks comes from the first of
    `fallbacks` that has it; what `block` lacks is left out.
    """
    given: dict[str, Tensor] = source.state_dict()
    for other in fallbacks:
        given = {**other.state_dict(), **given}
    wanted = block.state_dict()
    kept = _strongest(wanted, given)
    with torch.no_grad():
        for name, target in wanted.items():
            value = given[name]
            for dim, size in _narrowed(target, value):
                value = _select(value, dim, size, kept)
            target.copy_(value)


def _strongest(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
    """Indices of the inner units to keep, in order; empty where nothing is narrower.

    A unit is as strong as the product of the norms of its weights into and out of it: scaling one up and the other
    down by the same factor, which changes nothing for a homogeneous activation, does not change it.
    """
    cut = [(name, dim, size) for name, target in wanted.items() for dim, size in _narrowed(target, given[name])]
    if not cut:
        return torch.empty(0, dtype=torch.long)
    old = min(given[name].shape[dim] for name, dim, _ in cut)
    new = min(size for *_, size in cut)
    strength = torch.ones(old, dtype=torch.float64)
    for name, dim, _ in cut:
        if given[name].ndim > 1:
            # fused gates hold several matrices of the inner width one after the other
            units = given[name].movedim(dim, 0).reshape(-1, old, given[name].numel() // given[name].shape[dim])
            strength *= units.double().norm(dim=(0, 2)).cpu()
    return strength.topk(new).indices.sort().values


def _narrowed(target: Tensor, value: Tensor) -> list[tuple[int, int]]:
    """(dimension, new size) wherever `target` is smaller than `value`."""
    return [(dim, new) for dim, (new, old) in enumerate(zip(target.shape, value.shape, strict=True)) if new != old]


def _select(value: Tensor, dim: int, size: int, kept: Tensor) -> Tensor:
    fused = size // len(kept)
    parts = value.movedim(dim, 0)
    parts = parts.reshape(fused, parts.shape[0] // fused, *parts.shape[1:])[:, kept.to(value.device)]
    return parts.reshape(size, *parts.shape[2:]).movedim(0, dim)
