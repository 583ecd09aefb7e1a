"""Tokens hidden for a masked language model, after BERT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theseus_plugin.contract import IGNORED, Features
from theseus_plugin.loading.pairing import refuse_unknown
from theseus_plugin.tasks.lazy import Lazy

CHOSEN, MASKED, RANDOM = 0.15, 0.8, 0.1
"""Share of an example's ordinary tokens that are asked about; shares of these that are hidden or replaced."""


class Masks:
    """Hides tokens of examples: what is hidden depends on the example's tokens and the random numbers alone.

    Args:
        tokenizer: names the special tokens, none of which is hidden, and the mask.

    Raises:
        UserError: the model has no row for the mask.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._mask = tokenizer.mask_token_id
        refuse_unknown(tokenizer, [self._mask], "the mask")
        self._special = np.array(sorted(tokenizer.all_special_ids))
        self._ordinary = np.setdiff1d(np.arange(len(tokenizer)), self._special)

    def __call__(self, example: Features, random: np.random.Generator) -> dict[str, Any]:
        """`example` with 15 % of its ordinary tokens chosen, one at least: 80 % of these become the mask, 10 % any
        token, 10 % stay. `labels` hold the chosen tokens, `IGNORED` elsewhere.
        """
        ids = np.array(example["input_ids"])
        able = np.flatnonzero(~np.isin(ids, self._special))
        chosen = random.choice(able, max(1, round(CHOSEN * len(able))), replace=False) if len(able) else able
        labels = np.full_like(ids, IGNORED)
        labels[chosen] = ids[chosen]
        draw = random.random(len(chosen))
        ids[chosen[draw < MASKED]] = self._mask
        replaced = chosen[(draw >= MASKED) & (draw < MASKED + RANDOM)]
        ids[replaced] = random.choice(self._ordinary, len(replaced))
        return {**example, "input_ids": ids, "labels": labels}


class MaskedAnew(Lazy):
    """Examples with other tokens hidden in every epoch: a function of seed, epoch and the example's number."""

    def __init__(self, examples: Sequence[Features], masks: Masks, seed: int) -> None:
        self._examples, self._masks, self._seed = examples, masks, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the tokens of epoch `epoch` from now on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._examples)

    def make(self, at: int) -> Features:
        """The example of number `at` as this epoch has it."""
        return self._masks(self._examples[at], np.random.default_rng((self._seed, self._epoch, at)))


def masked_once(examples: Sequence[Features], masks: Masks, seed: int) -> list[Features]:
    """Examples with the same tokens hidden always, others than `MaskedAnew` hides."""
    return [masks(example, np.random.default_rng((seed, at))) for at, example in enumerate(examples)]
