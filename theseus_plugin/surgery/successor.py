"""Build the stock model that is to become the successor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from theseus_plugin.surgery.narrow import fill, set_inner_width
from theseus_plugin.surgery.stack import Stack, shortened


@dataclass(frozen=True)
class Cut:
    """What becomes of one stack."""

    stack: Stack
    sources: Sequence[int]
    """The predecessor block that each successor block starts as a copy of."""
    places: Sequence[int]
    """The predecessor block whose kind of attention each successor block takes."""


def build_successor(
    predecessor: PreTrainedModel, cuts: Sequence[Cut], intermediate_size: int | None = None
) -> PreTrainedModel:
    """A stock model of fewer blocks, in the mode of `predecessor`. It is stock by construction: its class built it.

    All that is not a block, such as embeddings and head, is the predecessor's own parameters, not copies of them.

    Args:
        predecessor: the model to start from; not changed.
        cuts: one for each stack that becomes shallower; others stay as deep, with blocks of their own.
        intermediate_size: width of the feed-forward layers; None: as wide as they are.

    Raises:
        UserError: `intermediate_size` cannot be had.
    """
    kept = {cut.stack.depth_field: cut.sources for cut in cuts}
    types = {cut.stack.depth_field: cut.places for cut in cuts}
    config = shortened(predecessor.config, kept, types)
    if intermediate_size is not None:
        set_inner_width(config, intermediate_size)
    config._attn_implementation = predecessor.config._attn_implementation
    with no_init_weights():
        successor: PreTrainedModel = type(predecessor)(config)
    successor.to(device=predecessor.device, dtype=predecessor.dtype)
    successor.name_or_path = predecessor.name_or_path
    _share(successor, predecessor, {f"{cut.stack.path}.": cut for cut in cuts})
    for cut in cuts:
        blocks, olds = cut.stack.blocks(successor), cut.stack.blocks(predecessor)
        for index, (block, source) in enumerate(zip(blocks, cut.sources, strict=True)):
            fill(block, olds[source], fallback=olds[index])
    return successor.train(predecessor.training)


def _share(successor: nn.Module, predecessor: nn.Module, cuts: Mapping[str, Cut]) -> None:
    """Give `successor` the parameters and buffers of `predecessor` wherever it has no block of its own."""
    for path, part in successor.named_modules():
        if any(f"{path}.".startswith(prefix) for prefix in cuts):
            continue
        twin = predecessor.get_submodule(path)
        part._parameters.update(twin._parameters)
        part._buffers.update(twin._buffers)
