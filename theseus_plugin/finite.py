"""Logits that are no numbers: a comparison with NaN is false, so that they would pass for scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from theseus_plugin.errors import UserError


class NotFinite(UserError):
    """Some logits are NaN or infinite."""


def finite_rows(logits: np.ndarray, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether all logits of an example are finite, one truth value a row of the batch.

    Of logits of every token those of padding do not count, which some kernels fill with NaN. Nor does a class, or a
    word, that is -inf throughout the batch while others are not: it is ruled out on purpose.
    """
    finite: np.ndarray = _finite(logits)
    mask = _padding_mask(logits, batch)
    if mask is not None:
        finite = np.logical_or(finite, mask == 0)
    if logits.ndim > 1 and not finite.all():
        kept = ~(without_padding(logits, batch) == -np.inf).all(axis=0)
        if kept.any():
            finite = np.logical_or(finite, _finite(logits[..., kept]))
    rows: np.ndarray = np.asarray(finite.reshape(len(finite), -1).all(axis=1))
    return rows


def without_padding(logits: np.ndarray, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Logits that say something, (number, classes): of logits of every token all but those of padding."""
    mask = _padding_mask(logits, batch)
    said = logits if mask is None else logits[mask != 0]
    return said.reshape(-1, logits.shape[-1])


def _finite(logits: np.ndarray) -> np.ndarray:
    # sums keep NaN and infinity, and are few: logits of a language model are many
    sums = logits.reshape(len(logits), -1) if logits.ndim < 2 else logits.sum(axis=-1, dtype=np.float64)
    finite: np.ndarray = np.isfinite(sums)
    return finite


def _padding_mask(logits: np.ndarray, batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The mask of a batch, where there are logits for each of its tokens."""
    mask = batch.get("attention_mask")
    return mask if mask is not None and logits.shape[:-1] == mask.shape else None


def require_finite(name: str, finite: np.ndarray, numbers: Sequence[int] = ()) -> None:
    """Refuse a model that gives logits which are not finite.

    Args:
        name: the model, as the user knows it.
        finite: of each example, in order.
        numbers: of the examples, as they are named in messages; default: from 1 in order.

    Raises:
        NotFinite: there are such examples; says how many, and which is the first.
    """
    if finite.all():
        return
    wrong = np.flatnonzero(~finite)
    count, place = len(wrong), int((np.array(numbers)[wrong] if len(numbers) else 1 + wrong).min())
    raise NotFinite(
        f"{name}: its logits are not finite (nan or inf) for {count:,} of {len(finite):,} examples, the first is "
        f"example {place:,}: its weights are damaged or its activations overflow; train it again or choose another"
    )
