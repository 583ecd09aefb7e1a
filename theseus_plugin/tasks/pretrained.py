"""What a task asks of a checkpoint: its configuration and its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from theseus_plugin.errors import UserError, reason


def load_config(checkpoint: str) -> Any:
    """The configuration of a checkpoint.

    Raises:
        UserError: there is none.
    """
    return _from_pretrained(AutoConfig, checkpoint, "configuration")


def load_tokenizer(checkpoint: str) -> Any:
    """The fast tokenizer of a checkpoint.

    Raises:
        UserError: the checkpoint has none, or it cannot pad.
    """
    tokenizer = _from_pretrained(AutoTokenizer, checkpoint, "tokenizer")
    # without a tokenizer file transformers builds one of special tokens only: every word would be unknown
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(
            f"{checkpoint}: no tokenizer there: copy tokenizer.json and tokenizer_config.json into it"
        )
    if not tokenizer.is_fast:
        raise UserError(f"{checkpoint}: only a slow tokenizer there: save its fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        raise UserError(f"{checkpoint}: no padding token: set `pad_token` in its tokenizer_config.json")
    return tokenizer


def _from_pretrained(auto: Any, checkpoint: str, what: str) -> Any:
    folder = Path(checkpoint)
    if not folder.is_dir() and (
        folder.is_absolute() or checkpoint.startswith(".") or checkpoint.count("/") > 1
    ):
        raise UserError(f"{checkpoint}: no such folder")
    try:
        return auto.from_pretrained(checkpoint)
    except Exception as error:  # a dozen types, from the hub's to the JSON reader's
        raise UserError(
            f"{checkpoint}: no {what} there ({reason(error)}): give a checkpoint folder or a hub name"
        ) from error
