"""Read the configuration of a checkpoint with care, and see what inputs its model has room for.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError, reason
from theseus_plugin.loading.weights import read_fields
from theseus_plugin.quiet import quiet

RESTORE = "restore the config.json that was saved with the weights"
_COUNTS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_LENGTHS = ("max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings")


@dataclass(frozen=True)
class Room:
    """What a model has room for."""

    tokens: int | None
    """Ids of tokens: rows of its table; None: it has none."""
    types: int | None
    """Kinds of tokens, for `token_type_ids`; None: it has no table of them."""
    positions: int | None
    """Tokens of a text; None: any number."""
    counts_from_padding: bool
    """Whether positions begin behind the id of the padding, as RoBERTa's do."""


_rooms: dict[str, Room] = {}


def read_config(checkpoint: str, **fields: Any) -> Any:
    """The configuration of a checkpoint, checked to describe a model; `fields` replace its own.

    Names of classes are texts in it, whatever they were in the file.

    Raises:
        UserError: there is none, it needs code of its own, or no model can be built of it.
    """
    from transformers import AutoConfig

    file = Path(checkpoint, "config.json")
    if file.is_file():
        _check_labels(file, {**read_fields(file), **fields})
    try:
        with quiet():
            config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False, **fields)
    except Exception as error:  # a dozen types, from the hub's to the JSON reader's
        refuse_own_code(checkpoint, error)
        if file.is_file():
            raise UserError(f"{file}: no model can be built of it ({told(error)}): {RESTORE}") from error
        raise UserError(
            f"{checkpoint}: no configuration there ({reason(error)}): give a checkpoint folder or a hub name"
        ) from error
    if hasattr(config, "auto_map"):
        del config.auto_map  # the architecture is one that transformers knows: no code of the checkpoint's is used
    names = {number: _spelled(name) for number, name in config.id2label.items()}
    if names != config.id2label and all(isinstance(name, str) for name in names.values()):
        config.id2label, config.label2id = names, {name: number for number, name in names.items()}
    _check_counts(checkpoint, config)
    room_of(config, checkpoint)
    return config


def room_of(config: Any, checkpoint: str = "") -> Room:
    """What the model of a configuration has room for; it is built without memory for its weights.

    Args:
        config: of any architecture.
        checkpoint: its name, for messages.

    Raises:
        UserError: no model can be built of it.
    """
    key = f"{type(config).__name__} {config.to_json_string(use_diff=False)}"
    if key not in _rooms:
        _rooms[key] = _look(config, checkpoint)
    return _rooms[key]


def refuse_own_code(checkpoint: str, error: BaseException) -> None:
    """Say in words that a checkpoint has code of its own, if that is what transformers complains about.

    Raises:
        UserError: it is.
    """
    if "trust_remote_code" in str(error):
        raise UserError(
            f"{checkpoint}: needs code of its own (auto_map), which is never run: choose a checkpoint of an"
            " architecture that transformers knows"
        ) from error


def told(error: BaseException) -> str:
    """What another library says, with the kind of error where the text alone is no sentence."""
    text = reason(error)
    return text if " " in text and not isinstance(error, KeyError) else f"{type(error).__name__} {text}"


def _look(config: Any, checkpoint: str) -> Room:
    import torch
    from torch import nn
    from transformers import AutoModel

    text = config.get_text_config()
    said = [getattr(text, name, None) for name in _LENGTHS]
    positions = [number for number in said if isinstance(number, int) and number > 0]  # XLNet says -1: no limit
    padding = getattr(text, "pad_token_id", None)  # images are not padded
    if padding is not None and padding >= getattr(
        text, "vocab_size", padding + 1
    ):  # which a table refuses, but a tokenizer may know better
        config = copy.deepcopy(config)
        config.get_text_config().pad_token_id = None
    try:
        with quiet(), torch.device("meta"):
            model = AutoModel.from_config(config, trust_remote_code=False)
    except (ImportError, NotImplementedError):
        return Room(getattr(text, "vocab_size", None), None, min(positions, default=None), False)
    except Exception as error:
        if isinstance(error, ValueError) and "Unrecognized configuration class" in str(error):
            return Room(getattr(text, "vocab_size", None), None, min(positions, default=None), False)
        raise UserError(f"{checkpoint}: config.json: {_wrong_field(config, error)}: {RESTORE}") from error
    embeddings = None
    if model.main_input_name == "input_ids":
        with suppress(NotImplementedError):  # CANINE hashes characters; CLIP has a table for its texts alone
            embeddings = model.get_input_embeddings()
    types, begins = None, None
    for path, part in model.named_modules():
        if getattr(part, "padding_idx", 0) is None and hasattr(part, "position_embeddings"):
            raise UserError(
                f"{checkpoint}: config.json: pad_token_id is {padding!r}, but positions begin behind it: {RESTORE}"
            )
        leaf = path.rpartition(".")[2]
        if leaf == "token_type_embeddings" and isinstance(part, nn.Embedding):
            types = part.num_embeddings
        behind = getattr(part, "padding_idx", None)
        if leaf == "position_embeddings" and behind is not None:
            begins = behind + 1
            positions.append(len(part.weight) - begins)
    return Room(
        tokens=getattr(embeddings, "num_embeddings", None),
        types=types,
        positions=min(positions, default=None),
        counts_from_padding=begins is not None,
    )


def _wrong_field(config: Any, error: Exception) -> str:
    """What is wrong, with the field whose value transformers did not find, where that is so."""
    if isinstance(error, KeyError):
        for name, value in config.to_dict().items():
            if error.args == (value,):
                return f"{name} is {value!r}, which transformers does not know"
    return f"no model can be built of it ({told(error)})"


def _check_counts(checkpoint: str, config: Any) -> None:
    text = config.get_text_config()
    for name in _COUNTS:
        value = getattr(text, name, None)
        if isinstance(value, int) and value < 1:
            own = getattr(text, "attribute_map", {}).get(name, name)
            raise UserError(f"{checkpoint}: config.json: {own} is {value!r}, it must be 1 or more: {RESTORE}")


def _check_labels(file: Path, fields: dict[str, Any]) -> None:
    given = fields.get("id2label")
    if given is None:
        return
    if not isinstance(given, dict) or not all(str(key).isdecimal() for key in given):
        raise UserError(
            f'{file}: id2label must be an object of class ids and names, such as {{"0": "no", "1": "yes"}}: fix it'
        )


def _spelled(name: Any) -> Any:
    """A number as the text that a label of that number becomes; 1.0 is the class 1."""
    if isinstance(name, float) and name.is_integer():
        return str(int(name))
    return str(name) if isinstance(name, int | float) else name
