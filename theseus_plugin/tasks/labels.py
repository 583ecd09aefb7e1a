"""From the labels in the data to what the model's head is trained on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.heads import classes_of, classifier, require_same_order
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
    """The classes of a head yet to be trained, in id order.

    Those of a `ClassLabel` column keep their order; others are the distinct labels, integers sorted by value,
    else by the alphabet.

    Raises:
        UserError: a label is missing, or there are fewer than two.
    """
    names = rows.class_names(column) or _sorted(set(_spelled(rows, column)))
    if len(names) < 2:
        raise UserError(
            f"{rows.place}: column {column!r} holds only the label {names[0]!r}: two are needed to classify"
        )
    return names


def class_ids(splits: Mapping[str, Rows], column: str, names: Sequence[str]) -> dict[str, list[int]]:
    """The label ids of every split, for a head whose classes are `names` in id order.

    Labels are matched with the names, and case counts only where it tells two names apart. If not one label
    is among the names (a head with the generic LABEL_0, LABEL_1), integers are taken for the ids themselves.

    Raises:
        UserError: a label is missing, or is neither; with its file and row.
    """
    folded = {name.casefold(): i for i, name in enumerate(names)}
    case_counts = len(folded) < len(names)
    by_name = {name: i for i, name in enumerate(names)} if case_counts else folded
    found = {
        split: [text if case_counts else text.casefold() for text in _spelled(rows, column)]
        for split, rows in splits.items()
    }
    # Decided once for all splits: with the names 1, 2, 3 a label 0 is a mistake, not an id.
    if any(text in by_name for texts in found.values() for text in texts):
        return {split: _looked_up(splits[split], column, found[split], by_name, names) for split in splits}
    by_id = {str(i): i for i in range(len(names))}
    return {
        split: _looked_up(rows, column, [_text(value) for value in rows.column(column)], by_id, names)
        for split, rows in splits.items()
    }


def scores(rows: Rows, column: str) -> list[float]:
    """The labels of a regression.

    Raises:
        UserError: a label is not a finite number.
    """
    return [_score(rows, row, value) for row, value in enumerate(rows.column(column), start=1)]


def _score(rows: Rows, row: int, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{rows.place}, row {row}: label {value!r} is not a finite number: mend or drop the row")
    return number


def _looked_up(
    rows: Rows, column: str, texts: Sequence[str], ids: Mapping[str, int], names: Sequence[str]
) -> list[int]:
    for row, text in enumerate(texts, start=1):
        if text not in ids:
            label = _text(rows.column(column)[row - 1])
            raise UserError(
                f"{rows.place}, row {row}: label {label!r} is not one of the {len(names)} classes: "
                f"{', '.join(names[:20])}{', ...' if len(names) > 20 else ''}; "
                "mend the row, or give `labels` in the order of the ids"
            )
    return [ids[text] for text in texts]


def _spelled(rows: Rows, column: str) -> list[str]:
    """Every label as text, by its name where the column has names."""
    names = rows.class_names(column) or []
    texts = []
    for row, value in enumerate(rows.column(column), start=1):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise UserError(f"{rows.place}, row {row}: no label in column {column!r}: mend or drop the row")
        # hidden labels of public test sets are -1, which no name stands for
        texts.append(names[value] if names and 0 <= value < len(names) else _text(value))
    return texts


def _text(value: Any) -> str:
    """A label as text: 1.0 of a numeric column is the class 1, but text stays as it is."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _sorted(labels: set[str]) -> list[str]:
    if all(re.fullmatch(r"-?[0-9]+", label) for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)
