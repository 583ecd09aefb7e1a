"""Whether the weights of a file are those of the model that was built, and a head that is new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from theseus_plugin.errors import UserError, some
from theseus_plugin.loading.configuration import RESTORE
from theseus_plugin.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SPARED = ("position_ids", "token_type_ids", "inv_freq", "masked_bias", "_weight", "mask_token", "num_batches_tracked",
           "relative_position_index", "relative_coords_table", "attn_mask")  # fmt: skip
"""Last parts of names that older versions and other heads save, and that the model computes or does not need."""
_MASKS = (".attn.bias", ".attention.bias")
"""Ends of names of the triangles of ones that GPT-2 and its like once saved."""


def refuse_unfit(checkpoint: str, model: PreTrainedModel, report: Mapping[str, Any], new: Collection[str]) -> None:
    """Refuse weights that do not fit the model outside a new head: of another shape, or that it has no place for.

    Args:
        checkpoint: its name, for messages.
        model: as it was loaded.
        report: `transformers`' own, of loading it.
        new: names of the parameters of a head that is to be trained.

    Raises:
        UserError: a shape differs, or blocks or other weights of the file would be dropped.
    """
    wrong = sorted(entry for entry in report["mismatched_keys"] if entry[0] not in new)
    if wrong:
        told = [f"{name} is {_shape(held)} in the file, {_shape(built)} by config.json" for name, held, built in wrong]
        raise UserError(f"{checkpoint}: weights and config.json do not fit ({some(told)}): {RESTORE}")
    dropped = sorted(name for name in report["unexpected_keys"] if _of_the_body(name, model))
    if dropped:
        raise UserError(
            f"{checkpoint}: its file has weights for which its config.json leaves no place ({some(dropped)}): {RESTORE}"
        )


def new_head(model: PreTrainedModel) -> list[str]:
    """Names of the parameters that belong to a model's head alone: they stand outside its body, and the model that was
    pretrained, on hidden tokens for one, does not have them.
    """
    body = f"{model.base_model_prefix}."
    outside = [name for name, _ in model.named_parameters() if not name.startswith(body)]
    shared = _pretrained_names(model) if outside else frozenset()
    return [name for name in outside if name not in shared]


def renew(model: PreTrainedModel, names: Iterable[str], random_state: torch.Tensor) -> None:
    """Give parameters the values that they would have if the file had not held them.

    Args:
        model: as it was loaded.
        names: of the parameters; those that the file lacks among them.
        random_state: of torch's generator before the model was loaded.
    """
    for name in names:
        parameter = model.get_parameter(name)
        parameter._is_hf_initialized = False
        owner: nn.Module = model
        for part in name.split(".")[:-1]:
            owner._is_hf_initialized = False  # type: ignore[assignment]
            owner = owner.get_submodule(part)
        owner._is_hf_initialized = False  # type: ignore[assignment]
    torch.set_rng_state(random_state)
    model.initialize_weights()


def _of_the_body(name: str, model: PreTrainedModel) -> bool:
    """Whether the model has the place that a weight would stand in, but not the weight: it is of a block too many, or
    a part that the configuration leaves out. A part that its class never has, as a pooler or another head, stands
    beside the body's own parts.
    """
    last = name.rpartition(".")[2]
    if last in _SPARED or name.endswith(_MASKS):
        return False
    prefix = f"{model.base_model_prefix}."
    body = getattr(model, model.base_model_prefix, model)
    if name.startswith(prefix) and body is not model:
        inner = name.removeprefix(prefix)
    elif body is model or not _has(model, name.partition(".")[0]):
        inner = name.removeprefix(prefix)  # saved without a head
    else:
        return False  # of a head
    parents = inner.split(".")[:-1]
    return bool(parents) and _has(body, parents[0])


def _has(module: Any, name: str) -> bool:
    return name in module._modules


def _pretrained_names(model: PreTrainedModel) -> frozenset[str]:
    import transformers

    names: set[str] = set()
    for auto in (transformers.AutoModelForPreTraining, transformers.AutoModelForMaskedLM):
        try:
            with quiet(), torch.device("meta"):
                pretrained = auto.from_config(model.config, trust_remote_code=False)
        except ValueError:  # there is none of this architecture
            continue
        if type(pretrained) is not type(model):
            names |= {name for name, _ in pretrained.named_parameters()}
    return frozenset(names)


def _shape(size: Iterable[int]) -> str:
    return "x".join(str(n) for n in size) or "a number"
