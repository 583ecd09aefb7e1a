"""Whether an ONNX model gives the logits of the checkpoint it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.errors import UserError

if TYPE_CHECKING:
    from theseus_plugin.contract import Features

Batch = Mapping[str, np.ndarray]
BATCH_SIZE = 8
SINGLES = 8


@dataclass(frozen=True)
class Reference:
    """What the checkpoint says, batch by batch."""

    batches: Sequence[Batch]
    logits: Sequence[np.ndarray]
    examples: int
    """Number of different examples in the batches."""
    lengths: tuple[int, int] | None
    """Lengths of the shortest and the longest of them, in tokens; None where they have none, as images."""


def spread(examples: Sequence[Features], count: int) -> list[Features]:
    """Up to `count` examples in order of length, evenly spread from the shortest to the longest.

    Those without `input_ids` keep their order.
    """
    by_length = sorted(range(len(examples)), key=lambda i: len(examples[i].get("input_ids", ())))
    places = np.unique(np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int))
    return [examples[by_length[place]] for place in places]


def batches(
    chosen: Sequence[Features],
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]],
    inputs: Sequence[str],
) -> list[Batch]:
    """Padded batches of all `chosen`, then some alone, unpadded, the shortest and the longest included.

    Each padded batch takes every n-th of the examples sorted by length, so that it holds short and long ones.
    """
    step = -(-len(chosen) // BATCH_SIZE)
    groups = [chosen[start::step] for start in range(step)]
    groups += [[example] for example in spread(chosen, SINGLES)]
    collated = [collate(group) for group in groups]
    return [{name: batch[name] for name in inputs} for batch in collated]


def reference(model: Any, chosen: Sequence[Features], inputs: Sequence[Batch]) -> Reference:
    """Logits of the PyTorch model `model` for the batches `inputs`, which hold the examples `chosen`."""
    import torch

    with torch.no_grad():
        logits = [
            model(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.numpy() for batch in inputs
        ]
    lengths = [len(example["input_ids"]) for example in chosen if "input_ids" in example]
    return Reference(inputs, logits, len(chosen), (min(lengths), max(lengths)) if lengths else None)


def check(run: Callable[[Batch], np.ndarray], against: Reference, tolerance: float) -> dict[str, Any]:
    """Compare the logits of `run` with the reference.

    Returns:
        Largest and mean absolute difference of logits, the share of equal labels (None for a single logit,
        which is no label), and what was compared.

    Raises:
        UserError: the largest difference exceeds `tolerance`, or is not a number.
    """
    given = [run(batch) for batch in against.batches]
    differences = np.concatenate([np.abs(a - b).ravel() for a, b in zip(given, against.logits, strict=True)])
    labels = np.concatenate(
        [(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in zip(given, against.logits, strict=True)]
    )
    single = against.logits[0].shape[-1] == 1
    largest, mean = float(differences.max()), float(differences.mean())
    record = {
        "largest_difference": largest,
        "mean_difference": mean,
        "label_agreement": None if single else float(labels.mean()),
        "tolerance": tolerance,
        "examples": against.examples,
        "batches": len(against.batches),
        "lengths": against.lengths and list(against.lengths),
    }
    if not largest <= tolerance:  # NaN must fail too
        agreement = "" if single else f", {labels.mean():.1%} equal labels"
        raise UserError(
            f"the ONNX model differs from its checkpoint by up to {largest:.3g} in the logits "
            f"(mean {mean:.3g}{agreement}, {against.examples} examples, allowed {tolerance:g}): "
            "nothing was kept; raise the tolerance only if you accept these figures"
        )
    return record
