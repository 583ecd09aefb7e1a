"""Text to token ids with the checkpoint's own tokenizer, and batches padded to their longest example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theseus_plugin.contract import IGNORED, Features
from theseus_plugin.errors import UserError
from theseus_plugin.loading.configuration import room_of
from theseus_plugin.loading.pairing import refuse_unknown

NO_LIMIT = 2**31 - 1
"""The length of an input that nothing bounds."""
BATCH = 4096
"""Texts per call of the tokenizer: enough for its threads, little enough to bound its memory."""


def tokenize(
    tokenizer: Any, columns: Sequence[Sequence[str]], labels: Sequence[float] | None, max_length: int
) -> tuple[list[dict[str, Any]], int]:
    """Examples as plain dicts of lists, and how many of them were cut.

    Args:
        tokenizer: A fast tokenizer.
        columns: The texts; two columns of equal length make pairs.
        labels: One per example, kept under `labels`; None: there are none.
        max_length: In tokens, special ones included; of a pair the longer text is cut first.

    Raises:
        UserError: a text has a token that the model has no row for.
    """
    examples: list[dict[str, Any]] = []
    cut = 0
    for start in range(0, len(columns[0]), BATCH):
        texts = [list(column[start : start + BATCH]) for column in columns]
        encoded = tokenizer(*texts, truncation=True, max_length=max_length)
        for row, ids in enumerate(encoded["input_ids"], start=start + 1):
            refuse_unknown(tokenizer, ids, f"text {row}")
        cut += sum(1 for encoding in encoded.encodings if encoding.overflowing)
        named = dict(encoded) if labels is None else {**encoded, "labels": labels[start : start + BATCH]}
        examples.extend(dict(zip(named, values, strict=True)) for values in zip(*named.values(), strict=True))
    return examples, cut


def blocks(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[dict[str, Any]]:
    """Examples for a model that tells the next token: each text, ended by the end-of-text token if there is one, cut
    into parts of `max_length` tokens; parts of one token, which ask nothing, are left out. Labels are the tokens
    but for the first, before which there is nothing to tell it by.

    Raises:
        UserError: a text has a token that the model has no row for.
    """
    examples = []
    end = tokenizer.eos_token_id
    for start in range(0, len(texts), BATCH):
        encoded = tokenizer(list(texts[start : start + BATCH]), verbose=False)
        for row, ids in enumerate(encoded["input_ids"], start=start + 1):
            if end is not None and ids[-1:] != [end]:
                ids = [*ids, end]
            refuse_unknown(tokenizer, ids, f"text {row}")
            parts = [ids[at : at + max_length] for at in range(0, len(ids), max_length)]
            examples += [
                {"input_ids": part, "attention_mask": [1] * len(part), "labels": [IGNORED, *part[1:]]}
                for part in parts
                if len(part) > 1
            ]
    return examples


def require_equal_ends(examples: Sequence[Features], end: int, place: str) -> None:
    """Refuse examples that the head of an encoder-decoder cannot read: it reads the last end-of-text token, and
    wants as many of these in every example of a batch.

    Raises:
        UserError: an example has none, or more than the first one.
    """
    counts = [list(example["input_ids"]).count(end) for example in examples]
    for row, count in enumerate(counts, start=1):
        if not count:
            raise UserError(
                f"{place}, row {row}: the checkpoint's tokenizer ends no text with the end-of-text token, which its "
                "head reads: save a tokenizer that does"
            )
        if count != counts[0]:
            raise UserError(f"{place}, row {row}: the end-of-text token stands within the text: mend the row")


@dataclass(frozen=True)
class Padding:
    """Stacks examples, padded to the longest among them on the tokenizer's side; it pickles."""

    fill: dict[str, int]
    """The padding value by input; 0 for those not named. Labels are padded, as one a token, if they are named."""
    left: bool
    label_dtype: str

    @classmethod
    def of(cls, tokenizer: Any, label_dtype: str, per_token: bool = False) -> Padding:
        """The padding that `tokenizer` would do; `per_token`: labels are one a token."""
        fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
        return cls(fill | ({"labels": IGNORED} if per_token else {}), tokenizer.padding_side == "left", label_dtype)

    def __call__(self, examples: Sequence[Features]) -> dict[str, np.ndarray]:
        """Inputs as int64 of shape (batch, length), `labels` of shape (batch,), or (batch, length) if one a token."""
        length = max(len(example["input_ids"]) for example in examples)
        batch = {
            name: np.full((len(examples), length), self.fill.get(name, 0), dtype=np.int64)
            for name in examples[0]
            if name != "labels" or name in self.fill
        }
        for name, rows in batch.items():
            for row, example in zip(rows, examples, strict=True):
                size = len(example[name])
                row[length - size if self.left else 0 :][:size] = example[name]
        if "labels" in batch:
            return batch
        return batch | {"labels": np.array([example["labels"] for example in examples], dtype=self.label_dtype)}


def longest_input(tokenizer: Any, config: Any) -> int:
    """How many tokens a checkpoint takes at most, special ones included, as far as its model and tokenizer say."""
    said = (tokenizer.model_max_length, room_of(config).positions)
    # a tokenizer that was told nothing says 1e30
    return min((int(number) for number in said if number and 1 <= number < NO_LIMIT), default=NO_LIMIT)
