"""Find the repeated blocks of a transformers model, by structure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from theseus_plugin.errors import UserError

REFUSED = {
    "albert": "its layers share one set of weights, so fewer of them would save time but not a byte, and there is no"
    " block of its own to replace: compress a model with separate layers",
}
"""Where structure is not enough: model types that look as if they had a stack, and why they cannot be compressed."""


@dataclass(frozen=True)
class Stack:
    """Where models of one architecture keep a run of blocks that they go through in order."""

    name: str
    """`encoder` or `decoder` where a model has both, else `blocks`."""
    path: str
    """The `nn.ModuleList`, as `get_submodule` finds it."""
    depth_field: str
    """The field of the config that says how many blocks there are."""
    depth: int
    """Blocks of the model that the stack was found in."""

    def blocks(self, model: nn.Module) -> nn.ModuleList:
        """The list that `model` goes through."""
        found = model.get_submodule(self.path)
        assert isinstance(found, nn.ModuleList)
        return found

    def put(self, model: nn.Module, blocks: Iterable[nn.Module]) -> None:
        """Make `model` go through `blocks` instead. Its config stays as it is."""
        owner, _, attribute = self.path.rpartition(".")
        setattr(model.get_submodule(owner), attribute, nn.ModuleList(blocks))


def find_stacks(model: PreTrainedModel) -> list[Stack]:
    """The stacks of a model, in the order in which it defines them: one, or an encoder and a decoder.

    A stack is a list of two or more modules of one class that becomes one shorter when a field of the config does;
    the model is built anew with smaller fields, without memory for its weights, to see which lists follow.

    Raises:
        UserError: there is no such list, blocks share their weights, or one field moves several lists.
    """
    kind = model.config.model_type
    where = f"{model.name_or_path or type(model).__name__}: architecture {kind!r} cannot be compressed by replacing: "
    if kind in REFUSED:
        raise UserError(where + REFUSED[kind])
    lists = _lists(model)
    fields = {path: field for field, paths in _moved_by(model, lists).items() for path in paths}
    found = [(path, fields[path]) for path in lists if path in fields]
    if not found:
        raise UserError(where + "no list of blocks in it follows a field of its config")
    if len({field for _, field in found}) < len(found) or len(found) > 2:
        paths = ", ".join(path for path, _ in found)
        raise UserError(where + f"its lists of blocks ({paths}) cannot be told apart as an encoder and a decoder")
    return [Stack(_name(path, len(found)), path, field, lists[path]) for path, field in found]


def _lists(model: nn.Module) -> dict[str, int]:
    """Length by path of the outermost lists of modules of one class."""
    found: dict[str, int] = {}
    for path, part in model.named_modules():
        nested = any(path.startswith(outer + ".") for outer in found)
        if isinstance(part, nn.ModuleList) and len(part) > 1 and len({type(b) for b in part}) == 1 and not nested:
            found[path] = len(part)
    return found


def _moved_by(model: PreTrainedModel, lists: Mapping[str, int]) -> dict[str, list[str]]:
    """Which lists become one shorter with each field of the config."""
    moved: dict[str, list[str]] = {}
    for field, value in model.config.to_dict().items():
        if isinstance(value, bool) or value not in lists.values():
            continue
        try:
            with torch.device("meta"):
                smaller = type(model)(shortened(model.config, {field: range(value - 1)}))
        except Exception:
            continue
        paths = [path for path, length in _lists_of(smaller, lists).items() if length == lists[path] - 1]
        if paths:
            moved[field] = paths
    return moved


def _lists_of(model: nn.Module, paths: Iterable[str]) -> dict[str, int]:
    modules = dict(model.named_modules())
    return {path: len(modules[path]) for path in paths if isinstance(modules.get(path), nn.ModuleList)}


def shortened(
    config: PretrainedConfig, kept: Mapping[str, Iterable[int]], types: Mapping[str, Iterable[int]] | None = None
) -> PretrainedConfig:
    """A copy of `config` for fewer blocks: the depth, and every list with an entry per block.

    Args:
        config: of the deeper model.
        kept: by depth field, the block that each new one takes its entries from.
        types: the same for `layer_types`, which follow the place of a block, not its weights; default: `kept`.
    """
    shorter = copy.deepcopy(config)
    depths = {field: getattr(config, field) for field in kept}
    for name, value in config.to_dict().items():
        for field, depth in depths.items():
            if isinstance(value, list | tuple) and len(value) == depth:
                chosen = (types or kept)[field] if name == "layer_types" else kept[field]
                setattr(shorter, name, [value[i] for i in chosen])
    for field, chosen in kept.items():
        setattr(shorter, field, len(list(chosen)))
    return shorter


def _name(path: str, stacks: int) -> str:
    if stacks == 1:
        return "blocks"
    return "decoder" if "decoder" in path.split(".") else "encoder"


def layer_types(config: Any) -> list[str] | None:
    """The kind of attention of each block, where blocks differ."""
    kinds = getattr(config, "layer_types", None)
    return kinds if kinds and len(set(kinds)) > 1 else None
