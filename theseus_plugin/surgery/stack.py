"""Find the repeated blocks of a transformers model, by structure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from theseus_plugin.errors import UserError
from theseus_plugin.quiet import quiet
from theseus_plugin.surgery.fields import lists_as_long, shortened

_DEPTH = re.compile(r"layer|block|depth")
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
        return blocks_at(model, self.path)

    def put(self, model: nn.Module, blocks: Iterable[nn.Module]) -> None:
        """Make `model` go through `blocks` instead. Its config stays as it is."""
        owner, _, attribute = self.path.rpartition(".")
        setattr(model.get_submodule(owner), attribute, nn.ModuleList(blocks))


def find_stacks(model: PreTrainedModel) -> list[Stack]:
    """The stacks of a model, in the order in which it defines them: one, or an encoder and a decoder.

    A stack is a list of two or more modules of one class that becomes one shorter when a field of the config does;
    the model is built anew with smaller fields, without memory for its weights, to see which lists follow.

    Raises:
        UserError: there is no such list, blocks share their weights or grow in width, or one field
            moves several lists.
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
    for path, _ in found:
        if _is_pyramid(blocks_at(model, path)):
            raise UserError(where + f"each block of {path} has another width, so none can take the place of another")
    if len({field for _, field in found}) < len(found) or len(found) > 2:
        paths = ", ".join(path for path, _ in found)
        raise UserError(where + f"its lists of blocks ({paths}) cannot be told apart as an encoder and a decoder")
    return [Stack(_name(path, len(found)), path, field, lists[path]) for path, field in found]


def blocks_at(model: nn.Module, path: str) -> nn.ModuleList:
    """The list of blocks at a path."""
    found = model.get_submodule(path)
    assert isinstance(found, nn.ModuleList)
    return found


def _lists(model: nn.Module) -> dict[str, int]:
    """Length by path of the outermost lists of modules of one class."""
    found: dict[str, int] = {}
    for path, part in model.named_modules():
        nested = any(path.startswith(outer + ".") for outer in found)
        if isinstance(part, nn.ModuleList) and len(part) > 1 and len({type(b) for b in part}) == 1 and not nested:
            found[path] = len(part)
    return found


def _is_pyramid(blocks: nn.ModuleList) -> bool:
    """Whether any two of three or more blocks have a weight of the same name and another shape."""
    shapes = [{name: tensor.shape for name, tensor in block.state_dict().items()} for block in blocks]
    pairs = itertools.combinations(shapes, 2)
    return len(blocks) > 2 and all(any(one[name] != other.get(name, one[name]) for name in one) for one, other in pairs)


def _moved_by(model: PreTrainedModel, lists: Mapping[str, int]) -> dict[str, list[str]]:
    """Which lists become one shorter with each field of the config."""
    moved: dict[str, list[str]] = {}
    for field, value in model.config.to_dict().items():
        if isinstance(value, bool) or not isinstance(value, int) or value not in lists.values():
            continue
        paths = _shorter(model, lists, field, value)
        # Where the config's lists decide, as they do in Swin, any other number of that size seems to: its patch_size.
        if paths and (_DEPTH.search(field) or not _shorter(model, lists, field, value, lists_alone=True)):
            moved[field] = paths
    return moved


def _shorter(
    model: PreTrainedModel, lists: Mapping[str, int], field: str, depth: int, lists_alone: bool = False
) -> list[str]:
    """The lists that are one shorter in a model whose config is for one block less, or has shorter lists alone."""
    whole = lists_as_long(model.config, depth)
    # one of both, as an architecture may ask for another kind of block at an end
    for blocks, uncut in itertools.product((range(depth - 1), range(1, depth)), ([], whole) if whole else ([],)):
        try:
            config = shortened(model.config, {field: blocks}, whole=uncut)
            if lists_alone:
                setattr(config, field, depth)
            smaller = skeleton(type(model), config)
        except Exception:
            continue
        return [path for path, length in _lists_of(smaller, lists).items() if length == lists[path] - 1]
    return []


def skeleton(kind: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    """A model without memory for its weights."""
    with quiet(), torch.device("meta"):
        return kind(config)


def _lists_of(model: nn.Module, paths: Iterable[str]) -> dict[str, int]:
    modules = dict(model.named_modules())
    return {path: len(modules[path]) for path in paths if isinstance(modules.get(path), nn.ModuleList)}


def _name(path: str, stacks: int) -> str:
    if stacks == 1:
        return "blocks"
    return "decoder" if "decoder" in path.split(".") else "encoder"
