"""Whether an ONNX model gives the logits of the checkpoint it came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.errors import UserError, reason
from theseus_plugin.finite import finite_rows, require_finite, without_padding
from theseus_plugin.plugins.task_data import unchecked
from theseus_plugin.predict import has_tokens, lengths
from theseus_plugin.quiet import quiet
from theseus_plugin.vocabulary import Batch

if TYPE_CHECKING:
    from theseus_plugin.contract import Features, TaskData

Rows = tuple[np.ndarray, np.ndarray]
"""Reduced logits and labels of a batch, as `TaskData.score` takes them."""
BATCH_SIZE = 8
SINGLES = 8
RESOLVED = 1 / 32
RULED_OUT = -65504.0
"""The least number of fp16: a class whose logit is that low, or lower, is ruled out, however low it is."""


@dataclass(frozen=True)
class Reference:
    """What the checkpoint says, batch by batch."""

    batches: Sequence[Batch]
    logits: Sequence[np.ndarray]
    examples: int
    """Number of different examples in the batches."""
    labels: Sequence[np.ndarray]
    padded: int
    """How many of the batches, the first ones, hold every example once; of the others each holds one alone, and the
    last one the longest example again, drawn out to the task's maximal length."""
    data: TaskData
    """How they are scored."""
    lengths: tuple[int, int] | None
    """Lengths of the shortest and the longest of them, in tokens; None where they have none, as images."""
    numbers: Sequence[int] = ()
    """Of the examples among all, counted from 0; for messages."""

    @property
    def scale(self) -> float:
        """What a difference of logits is measured by.

        For the one logit of a regression, whose unit is that of the labels, the spread of its values: largest less
        smallest. For logits of classes 1, for probabilities depend on them as they are. A thirty-second of the largest
        logit at least, since fp32 resolves little more; of classes the one that wins, as others may be ruled out by
        enormous numbers.
        """
        said = [without_padding(logits, batch) for logits, batch in zip(self.logits, self.batches, strict=True)]
        high, low = (float(function([function(logits) for logits in said])) for function in (np.max, np.min))
        largest = float(np.max([np.abs(logits.max(axis=-1)).max() for logits in said]))
        return max(high - low if self.logits[0].shape[-1] == 1 else 1.0, largest * RESOLVED)


def spread(examples: Sequence[Features], count: int) -> list[Features]:
    """Up to `count` examples in order of length, evenly spread from the shortest to the longest.

    Those without a length keep their order.
    """
    return [examples[place] for place in places(examples, count)]


def places(examples: Sequence[Features], count: int) -> list[int]:
    """The numbers of the examples that `spread` gives, counted from 0."""
    sizes = lengths(examples)
    by_length = sorted(range(len(examples)), key=lambda i: sizes[i])
    even = np.unique(np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int))
    return [by_length[place] for place in even]


def batches(
    chosen: Sequence[Features],
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]],
) -> list[dict[str, np.ndarray]]:
    """Padded batches of all `chosen`, then some alone, unpadded, the shortest and the longest included.

    Each padded batch takes every n-th of the examples sorted by length, so that it holds short and long ones.
    """
    step = -(-len(chosen) // BATCH_SIZE)
    groups = [chosen[start::step] for start in range(step)]
    groups += [[example] for example in spread(chosen, SINGLES)]
    return [collate(group) for group in groups]


def reference(
    model: Any, chosen: Sequence[Features], data: TaskData, inputs: Sequence[str], numbers: Sequence[int] = ()
) -> Reference:
    """Logits of the PyTorch model `model` for the examples `chosen`, which have these `numbers`, fed through `inputs`.

    Where texts may be longer than the longest example, one more batch is as long as they may be.

    Raises:
        UserError: PyTorch cannot run the model on them.
        NotFinite: some of the logits are not.
    """
    import torch

    collated = batches(chosen, data.collate)
    fed = [{name: batch[name] for name in inputs} for batch in collated]
    if data.max_length is not None:
        fed.append({name: np.resize(array, (1, data.max_length)) for name, array in fed[-1].items()})
    with torch.no_grad(), quiet():  # some models talk of what they do to a batch
        logits = [_run(model, {name: torch.from_numpy(array) for name, array in batch.items()}) for batch in fed]
    sizes = lengths(chosen)
    made = Reference(
        batches=fed,
        logits=logits,
        labels=[batch["labels"] for batch in collated],
        data=data,
        padded=-(-len(chosen) // BATCH_SIZE),
        examples=len(chosen),
        lengths=(min(sizes), max(sizes)) if has_tokens(chosen) else None,
        numbers=numbers,
    )
    finite = [finite_rows(given, batch) for given, batch in zip(logits, fed, strict=True)]
    _require_finite(f"the checkpoint {model.name_or_path}", finite, made)
    return made


def _run(model: Any, batch: Mapping[str, Any]) -> np.ndarray:
    """Logits of a batch of tensors."""
    try:
        logits: np.ndarray = model(**batch).logits.numpy()
    except AttributeError as error:  # of a module that a method made
        raise UserError(
            f"the checkpoint {model.name_or_path} gives no logits ({reason(error)}): update what made it"
        ) from error
    except (RuntimeError, ValueError, IndexError) as error:
        shape = next((tuple(tensor.shape) for tensor in batch.values()), ())
        raise UserError(
            f"the checkpoint {model.name_or_path} cannot run a batch of shape {shape} ({reason(error)}): its"
            " architecture does not take every length: choose another model"
        ) from error
    return logits


def check(run: Callable[[Batch], np.ndarray], against: Reference, tolerance: float) -> dict[str, Any]:
    """Compare the logits of `run` with the reference; see `compare`.

    Raises:
        UserError: the largest difference exceeds `tolerance` times the scale of the logits, or some are not finite.
    """
    record, allowed = compare(run, against), tolerance * against.scale
    largest, agreement = record["largest_difference"], record["label_agreement"]
    if largest > allowed:
        equal = "" if agreement is None else f", {agreement:.1%} equal labels"
        raise UserError(
            f"the ONNX model differs from its checkpoint by up to {largest:.3g} in the logits "
            f"(mean {record['mean_difference']:.3g}{equal}, {against.examples} examples, allowed {allowed:.3g}): "
            "nothing was kept; raise the tolerance only if you accept these figures"
        )
    return {**record, "tolerance": tolerance, "allowed": allowed}


def compare(run: Callable[[Batch], np.ndarray], against: Reference) -> dict[str, Any]:
    """How far the logits of `run` are from the reference.

    Returns:
        Largest and mean absolute difference of logits, the share of equal labels (None for a single logit,
        which is no label), by how much the metric differs on these examples (None where these are too few to judge it
        by), and what was compared.

    Raises:
        NotFinite: some logits of `run` are not.
    """
    largest, agreed, differences, rows, finite, scale = [], [], [], [], [], against.scale
    for at, (batch, expected) in enumerate(zip(against.batches, against.logits, strict=True)):
        given = run(batch)  # one batch at a time: the logits of a language model are many
        finite.append(finite_rows(given, batch))
        if not finite[-1].all():
            continue
        ours, theirs = without_padding(given, batch), without_padding(expected, batch)
        apart = _apart(ours, theirs, scale)
        largest.append(apart.max())
        differences.append((apart.sum(dtype=np.float64), apart.size))
        equal = ours.argmax(-1) == theirs.argmax(-1)
        agreed.append((equal.sum(), equal.size))
        if at < against.padded:
            rows.append(against.data.reduced(given, against.labels[at]))
    _require_finite("the ONNX model", finite, against)
    return {
        "largest_difference": float(np.max(largest)),
        "mean_difference": _mean(differences),
        "label_agreement": None if against.logits[0].shape[-1] == 1 else _mean(agreed),
        "metric": against.data.metric,
        "metric_difference": _difference(rows, against),
        "examples": against.examples,
        "batches": len(against.batches),
        "lengths": against.lengths and list(against.lengths),
    }


def _apart(given: np.ndarray, expected: np.ndarray, scale: float) -> np.ndarray:
    """Absolute differences; of a logit whose size fp32 resolves less finely than `scale`, less by as much."""
    if expected.shape[-1] > 1:
        given, expected = np.maximum(given, RULED_OUT), np.maximum(expected, RULED_OUT)
    apart: np.ndarray = np.abs(given - expected) / np.maximum(1.0, np.abs(expected) * RESOLVED / (scale or 1.0))
    return apart


def _require_finite(name: str, finite: Sequence[np.ndarray], against: Reference) -> None:
    """Of the padded batches, which hold each example once, by the example; then of the others."""
    step = against.padded
    examples = np.ones(sum(len(rows) for rows in finite[:step]), dtype=bool)
    for start, rows in enumerate(finite[:step]):
        examples[start::step] = rows
    require_finite(name, examples, [1 + number for number in against.numbers])
    require_finite(f"{name}, on single examples,", np.concatenate([np.ones(1, dtype=bool), *finite[step:]]))


def _mean(sums: Sequence[tuple[Any, int]]) -> float:
    """The mean of what sums and counts by batch are of."""
    return float(sum(part for part, _ in sums) / sum(count for _, count in sums))


def _expected(against: Reference) -> list[Rows]:
    return [
        against.data.reduced(logits, labels)
        for logits, labels in list(zip(against.logits, against.labels, strict=False))[: against.padded]
    ]


def _difference(rows: Sequence[Rows], against: Reference) -> float | None:
    try:
        difference = _metric(rows, against) - _metric(_expected(against), against)
    except ValueError:  # what sklearn and scipy raise where a metric is not defined
        return None
    return difference if math.isfinite(difference) else None


def _metric(rows: Sequence[Rows], against: Reference) -> float:
    """The metric with every example once."""
    logits, labels = zip(*rows, strict=True)
    return unchecked(against.data.score)(np.concatenate(logits), np.concatenate(labels))[against.data.metric]
