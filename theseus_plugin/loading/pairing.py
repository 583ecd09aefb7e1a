"""Where a checkpoint's model and its tokenizer come together: what can be aligned is, the rest is refused.

transformers compares nothing of the two. Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import write_json
from theseus_plugin.loading.configuration import Room, room_of
from theseus_plugin.loading.weights import read_fields

_BEYOND = "theseus_beyond"
"""Attribute of a tokenizer: ids that its model has no row for, of tokens that only a text can bring in."""


def align_tokenizer(tokenizer: Any, config: Any, checkpoint: str, generates: bool = False) -> None:
    """Make a tokenizer give its model only what the model can take.

    Texts are padded on the side where the head does not read and the positions do not move: behind the text, but for
    models whose head reads the last place. Types of tokens are left out for a model that knows one only.

    Args:
        tokenizer: changed in place; what is changed is saved with it.
        config: that of its model.
        checkpoint: name of both, for messages.
        generates: whether the model continues texts, which are padded on the side that the tokenizer says.

    Raises:
        UserError: tokens without a row in the model's table, types of tokens that it does not have, or no length that
            a text can have.
    """
    most = tokenizer.model_max_length
    if not isinstance(most, int | float) or most < 1:
        raise UserError(
            f"{checkpoint}: tokenizer_config.json: model_max_length is {most!r}, it must be 1 or more: fix it"
        )
    room = room_of(config, checkpoint)
    _refuse_beyond(tokenizer, room, checkpoint)
    _align_types(tokenizer, room, checkpoint)
    if not generates:
        _set(tokenizer, "padding_side", "left" if getattr(config, "summary_type", None) == "last" else "right")


def align_padding(config: Any, padding: int | None, checkpoint: str) -> None:
    """Make the configuration of a classifier of sequences name the id that its tokenizer pads with: a decoder's head
    reads the last token that is not padding.

    Where positions are counted from that id it stays: the weights were trained with these positions, such a head reads
    the first token, and what is masked may have any id.

    Args:
        config: changed in place.
        padding: what the tokenizer pads with; None: there is no tokenizer.
        checkpoint: its name, for messages.
    """
    text = config.get_text_config()
    if room_of(config, checkpoint).counts_from_padding:
        return
    if padding is not None and text.pad_token_id != padding:
        text.pad_token_id = config.pad_token_id = padding


def refuse_unknown(tokenizer: Any, ids: Iterable[int], where: str) -> None:
    """Refuse ids that the model has no row for.

    Args:
        tokenizer: that made the ids, aligned with its model.
        ids: of one text.
        where: names the text, for the message.

    Raises:
        UserError: there is such an id.
    """
    if beyond := getattr(tokenizer, _BEYOND, None):
        for number in ids:
            if number in beyond:
                raise UserError(f"{where}: {beyond[number]}")


def write_config(checkpoint: str, config: Any, folder: Path) -> None:
    """Copy the `config.json` of a checkpoint into `folder`, with the padding of `config`, which was aligned."""
    fields = read_fields(Path(checkpoint, "config.json"))
    text = config.get_text_config()
    for held, aligned in ((fields, config), (fields.get("text_config"), text)):
        if isinstance(held, dict) and getattr(aligned, "pad_token_id", None) is not None:
            held["pad_token_id"] = aligned.pad_token_id
    write_json(folder / "config.json", fields)


def _refuse_beyond(tokenizer: Any, room: Room, checkpoint: str) -> None:
    if room.tokens is None:
        return
    cure = f"the model has {room.tokens} rows: call model.resize_token_embeddings({len(tokenizer)}), and train it"
    if tokenizer.vocab_size > room.tokens:  # the vocabulary of another model
        raise UserError(f"{checkpoint}: its tokenizer has {tokenizer.vocab_size} tokens, but {cure}")
    always = {tokenizer.pad_token_id, *tokenizer("")["input_ids"]}
    beyond = {}
    for number, token in sorted(tokenizer.added_tokens_decoder.items()):
        if number < room.tokens:
            continue
        beyond[number] = f"{checkpoint}: its tokenizer gives {token.content!r} the id {number}, but {cure}"
        # another special token is left to be met: a Gemma's tokenizer has one for images, which no text holds
        if number in always or not token.special:
            raise UserError(beyond[number])
    setattr(tokenizer, _BEYOND, beyond)


def _align_types(tokenizer: Any, room: Room, checkpoint: str) -> None:
    if room.types is None or "token_type_ids" not in tokenizer.model_input_names:
        return
    given = {*tokenizer("a", "a")["token_type_ids"], *tokenizer("a")["token_type_ids"], tokenizer.pad_token_type_id}
    if max(given) < room.types:
        return
    if room.types > 1:
        raise UserError(
            f"{checkpoint}: its tokenizer gives tokens the type {max(given)}, but type_vocab_size is {room.types}: save"
            " the tokenizer that belongs to the model"
        )
    _set(tokenizer, "model_input_names", [name for name in tokenizer.model_input_names if name != "token_type_ids"])


def _set(tokenizer: Any, name: str, value: Any) -> None:
    """Change an attribute so that it is saved, too."""
    if getattr(tokenizer, name) != value:
        setattr(tokenizer, name, value)
        tokenizer.init_kwargs[name] = value
