"""Hidden states and attention scores of a stock model's blocks, while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from theseus_plugin.errors import UserError

_RECORDED = "theseus-recorded-sdpa"
_listening: list[list[Tensor]] = []


@dataclass
class Seen:
    """What blocks made of a batch."""

    embedded: list[Tensor] = field(default_factory=list)
    """What the first block was given, (batch, length, hidden); one entry."""
    hidden: list[Tensor] = field(default_factory=list)
    """What each block gave."""
    scores: list[Tensor] = field(default_factory=list)
    """Attention scores of each block before the softmax, (batch, heads, length, length)."""

    def at(self, blocks: Sequence[int]) -> Seen:
        """Only what was seen of `blocks`."""
        assert len(self.scores) == len(self.hidden), "a block attends once"
        return Seen(self.embedded, [self.hidden[i] for i in blocks], [self.scores[i] for i in blocks])


@contextmanager
def observed(blocks: Sequence[nn.Module]) -> Iterator[Seen]:
    """Within the block, what a forward pass over `blocks` shows; scores only of models under `recording_attention`."""
    seen = Seen()

    def enters(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.embedded.append(given[0] if given else named["hidden_states"])

    def leaves(_: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        seen.hidden.append(result[0] if isinstance(result, tuple) else result)

    handles = [blocks[0].register_forward_pre_hook(enters, with_kwargs=True)]
    handles += [block.register_forward_hook(leaves) for block in blocks]
    _listening.append(seen.scores)
    try:
        yield seen
    finally:
        _listening.remove(seen.scores)
        for handle in handles:
            handle.remove()


@contextmanager
def recording_attention(*models: PreTrainedModel) -> Iterator[None]:
    """Within the block attention of `models` is computed as before (SDPA), and its scores can be observed.

    Raises:
        UserError: an architecture whose attention is not pluggable.
    """
    AttentionInterface.register(_RECORDED, _attend)
    AttentionMaskInterface.register(_RECORDED, sdpa_mask)
    before = [model.config._attn_implementation for model in models]
    for model in models:
        model.set_attn_implementation(_RECORDED)
        if model.config._attn_implementation != _RECORDED:
            raise UserError(
                f"architecture {model.config.model_type!r} does not let its attention scores be seen: use the method kd"
            )
    try:
        yield
    finally:
        for model, implementation in zip(models, before, strict=True):
            model.set_attn_implementation(implementation)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    if _listening:
        keys = repeat_kv(key, query.shape[1] // key.shape[1])
        scaling = options.get("scaling") or query.shape[-1] ** -0.5
        scores = query @ keys.transpose(-1, -2) * scaling
        _listening[-1].append(scores.tril() if getattr(module, "is_causal", False) else scores)
    attended: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return attended
