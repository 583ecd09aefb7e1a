"""Size of models on disk and in parameters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError
from theseus_plugin.loading.weights import tensors_of
from theseus_plugin.options.validation import Options

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model

_BLOCKS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
_ENCODER = ("encoder_layers", "num_encoder_layers", "num_layers")
_DECODER = ("decoder_layers", "num_decoder_layers")
_NOT_WEIGHTS = {"int64", "int32", "bool"}
_KINDS = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint"}


class SizeConfig(Options):
    """`size` has no options."""


class Size(Evaluator):
    """Bytes and parameters of a model, weights in files beside it included."""

    name = "size"
    summary = "Bytes on disk and number of parameters"
    Config = SizeConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `bytes`, `parameters`, `parameters_by_dtype`, `blocks` or None, `file`, `sha256`.

        `blocks` are those of all stacks; of a model with an encoder and a decoder `blocks_by_stack` has those of each.
        Whole numbers of 32 and 64 bits are positions and shapes: listed by dtype, but no parameters. Those of a folder
        in a method's own format are as many as its record says: scales and stored states are none.

        Raises:
            UserError: a path that is no model, or a file that cannot be read as one or is missing.
        """
        from theseus_plugin.measure.models import resolve

        return [_record(model) for model in [resolve(name) for name in models]]


def _record(model: Model) -> dict[str, Any]:
    if model.graph is not None:
        counts = model.graph.counts
    else:
        weights = [file for file in model.files if file.suffix == ".safetensors"]
        counts = sum((safetensors_counts(file) for file in weights), Counter())
    counted = sum(n for dtype, n in counts.items() if dtype not in _NOT_WEIGHTS)
    return {
        "bytes": sum(file.stat().st_size for file in model.files),
        "parameters": counted if model.parameters is None else model.parameters,
        "parameters_by_dtype": dict(sorted(counts.items())),
        **_blocks(model.config),
        **model.facts(),
    }


def _blocks(config: dict[str, Any]) -> dict[str, Any]:
    """How deep the stacks of a model are, by the fields of its config."""
    alone = _first(config, _BLOCKS)
    if any(name in config for name in _DECODER) or config.get("is_encoder_decoder"):
        nested = [_first(config.get(name) or {}, _BLOCKS) for name in ("encoder", "decoder")]  # of two whole configs
        encoder = _first(config, _ENCODER) or nested[0] or alone
        decoder = _first(config, _DECODER) or nested[1] or encoder  # T5's is as deep where it does not say
        if encoder and decoder:
            return {"blocks": encoder + decoder, "blocks_by_stack": {"encoder": encoder, "decoder": decoder}}
    return {"blocks": alone}


def _first(config: dict[str, Any], names: Sequence[str]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def safetensors_counts(file: Path) -> Counter[str]:
    """Numbers in the tensors of a safetensors file, by dtype, from its header.

    Raises:
        UserError: it is no such file.
    """
    from safetensors import SafetensorError

    try:
        tensors = tensors_of(file)
    except SafetensorError:
        raise UserError(f"{file} cannot be read as safetensors: save the model again") from None
    counts: Counter[str] = Counter()
    for dtype, shape in tensors.values():
        counts[_dtype(dtype)] += math.prod(shape)
    return counts


def _dtype(name: str) -> str:
    """The name that numpy has for a dtype of safetensors: `float32` for `F32`."""
    kind = name.rstrip("0123456789")
    return _KINDS.get(kind, kind.lower()) + name[len(kind) :]
