"""Build the stock model that is to become the successor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from theseus_plugin.errors import UserError, reason
from theseus_plugin.surgery.configure import kinds_built, successor_config
from theseus_plugin.surgery.kinds import Kinds
from theseus_plugin.surgery.narrow import fill, set_inner_width
from theseus_plugin.surgery.stack import Stack, skeleton


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

    All that is not a block, such as embeddings and head, is the predecessor's own parameters, not copies of them. But
    for weights whose shape follows the depth, as that of ESM's contact head does: of these the parts of the kept
    blocks are copied.

    Args:
        predecessor: the model to start from; not changed.
        cuts: one for each stack that becomes shallower; others stay as deep, with blocks of their own.
        intermediate_size: width of the feed-forward layers; None: as wide as they are.

    Raises:
        UserError: `intermediate_size` cannot be had, or weights do not fit the place where they are to go.
    """
    config = configuration(predecessor, cuts)
    fallbacks = check_fit(predecessor, cuts, config)
    if intermediate_size is not None:
        set_inner_width(config, intermediate_size)
    on_meta = predecessor.device.type == "meta"
    with no_init_weights(), torch.device("meta" if on_meta else "cpu"):
        successor: PreTrainedModel = type(predecessor)(config)
    successor.to(device=predecessor.device, dtype=predecessor.dtype)
    successor.name_or_path = predecessor.name_or_path
    _share(successor, predecessor, cuts)
    for cut, others in zip(cuts, fallbacks, strict=True):
        blocks, olds = cut.stack.blocks(successor), cut.stack.blocks(predecessor)
        for block, source, places in zip(blocks, cut.sources, others, strict=True):
            fill(block, olds[source], [olds[place] for place in places])
    return successor.train(predecessor.training)


def configuration(predecessor: PreTrainedModel, cuts: Sequence[Cut]) -> PretrainedConfig:
    """The successor's config, the width of its feed-forward layers being the predecessor's.

    Raises:
        UserError: the architecture does not allow these blocks to follow each other.
    """
    with _in_words(predecessor):
        return successor_config(
            predecessor, [cut.stack for cut in cuts], [cut.sources for cut in cuts], [cut.places for cut in cuts]
        )


def check_fit(predecessor: PreTrainedModel, cuts: Sequence[Cut], config: PretrainedConfig) -> list[list[list[int]]]:
    """See that the sources' weights fit the blocks that `config` gives a model.

    Returns:
        For each block of each cut the other blocks of the predecessor that have what its source lacks.

    Raises:
        UserError: they do not, or none of the blocks is of attention where others of the predecessor are.
    """
    _refuse_no_attention(predecessor.config, config)
    with _in_words(predecessor):
        model = skeleton(type(predecessor), config)
    stacks = [cut.stack for cut in cuts]
    kinds = [Kinds(predecessor.config, stack.blocks(predecessor)) for stack in stacks]
    built = kinds_built(model, stacks, kinds)
    found = []
    for cut, kind, news in zip(cuts, kinds, built, strict=True):
        olds = [_shapes(block) for block in cut.stack.blocks(predecessor)]
        found.append(
            [
                _others(cut, at, _shapes(block), olds, kind.of[source] == new)
                for at, (block, source, new) in enumerate(zip(cut.stack.blocks(model), cut.sources, news, strict=True))
            ]
        )
    return found


def follow_depth(predecessor: PreTrainedModel, cuts: Sequence[Cut], config: PretrainedConfig) -> bool:
    """Whether there are weights outside the stacks whose shape follows their depth."""
    stacks = tuple(f"{cut.stack.path}." for cut in cuts)
    news = dict(skeleton(type(predecessor), config).named_parameters())
    return any(
        name in news and news[name].shape != old.shape
        for name, old in predecessor.named_parameters()
        if not name.startswith(stacks)
    )


def _refuse_no_attention(old: PretrainedConfig, new: PretrainedConfig) -> None:
    """Stock transformers tells how many tokens went before by the cache of a block of attention."""
    if _counts_tokens(old) and not _counts_tokens(new):
        left = ", ".join(dict.fromkeys(new.get_text_config().layer_types))
        raise UserError(
            f"architecture {old.model_type!r} cannot run without a block of attention, and all of these are {left}:"
            " choose more successor_blocks, or another initialisation"
        )


def _counts_tokens(config: PretrainedConfig) -> bool:
    if getattr(config.get_text_config(), "layer_types", None) is None:
        return True
    try:
        DynamicCache(config=config).get_seq_length()
    except ValueError:
        return False
    return True


@contextmanager
def _in_words(predecessor: PreTrainedModel) -> Iterator[None]:
    """What a config's or a model's class has against fewer blocks, as a message."""
    try:
        yield
    except Exception as error:  # of any type: classes of configs have checks of their own
        raise UserError(
            f"architecture {predecessor.config.model_type!r} cannot have these blocks alone ({reason(error)}): choose"
            " other successor_blocks, or another initialisation"
        ) from error


def _others(
    cut: Cut, at: int, wanted: Mapping[str, list[int]], olds: Sequence[Mapping[str, list[int]]], alike: bool
) -> list[int]:
    source = cut.sources[at]
    nearest = sorted(range(len(olds)), key=lambda block: (block != at, abs(block - source)))
    found = []
    for name, shape in wanted.items():
        given = olds[source].get(name)
        if given == shape:
            continue
        having = [block for block in nearest if olds[block].get(name) == shape]
        if given is not None or not alike or not having:
            reason = "has none" if given is None else f"has the shape {given}"
            raise UserError(
                f"block {at} of {cut.stack.path} cannot start as a copy of block {source}, which is of another kind:"
                f" {name} of the shape {shape} is needed there, block {source} {reason}: choose another"
                " initialisation, partition or successor_blocks"
            )
        found.append(having[0])
    return list(dict.fromkeys(found))


def _shapes(block: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in block.state_dict().items()}


def _share(successor: nn.Module, predecessor: nn.Module, cuts: Sequence[Cut]) -> None:
    """Give `successor` the parameters and buffers of `predecessor` wherever it has no block of its own."""
    parts = dict(predecessor.named_modules())
    made: dict[Tensor, Tensor] = {}
    for path, part in successor.named_modules():
        if any(f"{path}.".startswith(f"{cut.stack.path}.") for cut in cuts):
            continue
        for ours, theirs in (
            (part._parameters, parts[path]._parameters),
            (part._buffers, parts[path]._buffers),
        ):
            for name in ours.keys() & theirs.keys():  # of buffers there may be some for each kind of block
                old, new = theirs[name], ours[name]
                if old is None or new is None or old.shape == new.shape:
                    ours[name] = old
                elif name not in part._non_persistent_buffers_set:  # those follow from the config
                    if old not in made:
                        made[old] = _parts_of_kept_blocks(old, new, cuts, f"{path}.{name}")
                    ours[name] = made[old]


def _parts_of_kept_blocks(old: Tensor, new: Tensor, cuts: Sequence[Cut], name: str) -> Tensor:
    """Of a weight with a part for each block, one after the other, those of the blocks that are kept."""
    value = old.detach()
    for dim, (before, after) in enumerate(zip(old.shape, new.shape, strict=True)):
        if before == after:
            continue
        for cut in cuts:
            depth, blocks = cut.stack.depth, len(cut.sources)
            if before % depth == 0 and before // depth * blocks == after:
                parts = value.reshape(*value.shape[:dim], depth, before // depth, *value.shape[dim + 1 :])
                kept = torch.tensor(list(cut.sources), device=value.device)
                value = parts.index_select(dim, kept).flatten(dim, dim + 1)
                break
    if value.shape != new.shape:
        raise UserError(
            f"{name} has the shape {list(old.shape)}, and {list(new.shape)} in a model of fewer blocks: it is not"
            " known which of its entries belong to which block, so this architecture cannot be compressed"
        )
    value = value.clone()
    return nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value
