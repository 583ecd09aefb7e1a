"""Find the repeated blocks of a transformers model and put others in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.errors import UserError

SUPPORTED = frozenset({"bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
"""Model types that the conformance tests cover. Finding the stack knows none of them by name."""


@dataclass(frozen=True)
class Stack:
    """Where a model keeps its blocks: `getattr(owner, attribute)` is the `nn.ModuleList` it loops over."""

    model: PreTrainedModel
    owner: nn.Module
    attribute: str

    @property
    def blocks(self) -> list[nn.Module]:
        """What the model runs now, first block first."""
        return list(getattr(self.owner, self.attribute))

    def put(self, blocks: Iterable[nn.Module]) -> None:
        """Make the model run `blocks` instead; its config's depth follows."""
        chosen = nn.ModuleList(blocks)
        setattr(self.owner, self.attribute, chosen)
        self.model.config.num_hidden_layers = len(chosen)

    @contextmanager
    def holding(self, blocks: Iterable[nn.Module]) -> Iterator[PreTrainedModel]:
        """The model with `blocks` in place for the length of a `with` block."""
        present = self.blocks
        self.put(blocks)
        try:
            yield self.model
        finally:
            self.put(present)


def find_stack(model: PreTrainedModel) -> Stack:
    """The model's stack, found by structure: the one list of `num_hidden_layers` modules of one class.

    Raises:
        UserError: the architecture is not covered by our tests, or it has no such list or several.
    """
    kind = model.config.model_type
    if kind not in SUPPORTED:
        raise UserError(
            f"{model.name_or_path}: architecture {kind!r} is not supported; supported: {', '.join(sorted(SUPPORTED))}"
        )
    depth = model.config.num_hidden_layers
    found = [
        Stack(model, owner, attribute)
        for owner in model.modules()
        for attribute, child in owner.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == depth and len({type(b) for b in child}) == 1
    ]
    if len(found) != 1:
        raise UserError(
            f"{model.name_or_path}: expected one stack of {depth} blocks in this {kind!r} model, found {len(found)}"
        )
    return found[0]


def number_blocks(blocks: Iterable[nn.Module]) -> None:
    """Give every block, and what lies in it, the `layer_idx` of its new place."""
    for index, block in enumerate(blocks):
        for part in block.modules():
            if hasattr(part, "layer_idx"):
                setattr(part, "layer_idx", index)  # noqa: B010 - nn.Module types its attributes as tensors
