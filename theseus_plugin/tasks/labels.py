"""From the labels in the data to what the model's head is trained on."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.heads import classes_of, classifier, require_same_order
from theseus_plugin.tasks.marks import Marks, mark_ids
from theseus_plugin.tasks.reading import Rows


def choose_classes(
    rows: Mapping[str, Rows],
    column: str,
    given: Sequence[str] | None,
    config: Any,
    checkpoint: str,
    train: Callable[[], Rows],
) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """The label ids of every split, and the head's config fields.

    Args:
        rows: by split.
        column: that of the labels.
        given: the classes in id order, if the user gave them.
        config: the checkpoint's; None for a head yet to be trained.
        checkpoint: its name, for messages.
        train: reads the training rows, where they are not among `rows` and a new head takes its classes from them.

    Raises:
        UserError: a label that is missing or does not fit, or a head of another kind.
    """
    if config is None:
        names = list(given or new_classes(rows["train"] if "train" in rows else train(), column))
        return class_ids(rows, column, names), classifier(names)
    names = classes_of(config, checkpoint)
    if given:
        require_same_order(given, names, checkpoint)
    return class_ids(rows, column, given or names), classifier(names)


def new_classes(rows: Rows, column: str) -> list[str]:
    """The classes of a head yet to be trained, in id order. See `Marks.classes`.

    Raises:
        UserError: a label is missing or no label, or there are fewer than two.
    """
    return _marks(rows, column).classes()


def class_ids(splits: Mapping[str, Rows], column: str, names: Sequence[str]) -> dict[str, list[int]]:
    """The label ids of every split, for a head whose classes are `names` in id order. See `mark_ids`.

    Raises:
        UserError: a label is missing, is no label, or is none of the classes; with its file and row.
    """
    found = mark_ids({split: _marks(rows, column) for split, rows in splits.items()}, names)
    return {split: [label for [label] in ids] for split, ids in found.items()}


def scores(rows: Rows, column: str) -> list[float]:
    """The labels of a regression.

    Raises:
        UserError: a label is not a finite number.
    """
    return [_score(rows, row, value) for row, value in enumerate(rows.column(column), start=1)]


def _score(rows: Rows, row: int, value: Any) -> float:
    try:
        number = math.nan if "_" in str(value) else float(value)  # Python would take 1_000 for a number
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"{rows.place}, row {row}: label {reprlib.repr(value)} is not a finite number: fix or drop the row"
        )
    return number


def _marks(rows: Rows, column: str) -> Marks:
    return Marks.of(rows, column, "label", ([value] for value in rows.column(column)))
