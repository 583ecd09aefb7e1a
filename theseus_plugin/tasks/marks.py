"""Labels and tags as they stand in the data: missing ones refused, all as text, and which class each is."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.reading import Rows


@dataclass(frozen=True)
class Marks:
    """The labels or tags of a split."""

    place: str
    """The file, or the data set and its split, for messages."""
    column: str
    what: Literal["label", "tag"]
    spelled: list[list[str]]
    """Of every row each as text."""
    named: list[list[str]]
    """The same, by their names where the column has names; an id that no name stands for, as the -1 of hidden labels
    and the -100 of ignored ones, as text."""
    names: list[str] | None
    """What the column calls its classes, in id order."""

    @classmethod
    def of(cls, rows: Rows, column: str, what: Literal["label", "tag"], values: Iterable[Sequence[Any]]) -> Marks:
        """Those in `values`, the labels or tags of every row.

        Raises:
            UserError: one is missing, is neither text nor a number, or differs from another in blanks only.
        """
        names = rows.class_names(column)
        marks = cls(rows.place, column, what, [], [], names)
        texts: dict[tuple[type, Any], str] = {}  # by the type too: 1 and True are equal
        called: dict[str, str] = {}
        for row, ours in enumerate(values, start=1):
            spelled = []
            for value in ours:
                try:
                    text = texts[type(value), value]
                except (KeyError, TypeError):  # a new one; or a list, which has no place in a dict and is refused
                    marks._require(row, value)
                    text = texts[type(value), value] = _text(value)
                    called[text] = _named(value, names) if names else text
                spelled.append(text)
            marks.spelled.append(spelled)
        marks.named.extend([[called[text] for text in ours] for ours in marks.spelled] if names else marks.spelled)
        marks._require_one_spelling()
        return marks

    @cached_property
    def distinct(self) -> set[str]:
        """Those of `named`."""
        return {mark for ours in self.named for mark in ours}

    def classes(self) -> list[str]:
        """The classes of a head yet to be trained, in id order: those the column names, else the distinct ones,
        integers sorted by value, else by the alphabet.

        Raises:
            UserError: there are fewer than two.
        """
        names = self.names or _sorted(self.distinct)
        if len(names) < 2:
            raise UserError(
                f"{self.place}: column {self.column!r} holds only the {self.what} {names[0]!r}: two are needed"
                + (" to classify" if self.what == "label" else "")
            )
        return names

    def looked_up(
        self, texts: Sequence[Sequence[str]], ids: Mapping[str, int], names: Sequence[str]
    ) -> list[list[int]]:
        """The ids of `texts`, which stand for these marks.

        Raises:
            UserError: one has none.
        """
        with suppress(KeyError):
            return [[ids[text] for text in ours] for ours in texts]
        for row, (ours, named) in enumerate(zip(texts, self.named, strict=True), start=1):
            for text, mark in zip(ours, named, strict=True):
                if text not in ids:
                    advice = ", or give `labels` in the order of the ids" if self.what == "label" else ""
                    raise UserError(
                        f"{self.place}, row {row}: {self.what} {mark!r} is not one of the {len(names)} classes: "
                        f"{', '.join(names[:20])}{', ...' if len(names) > 20 else ''}; fix the row{advice}"
                    )
        raise AssertionError("one has no id")

    def _require(self, row: int, value: Any) -> None:
        where = f"{self.place}, row {row}"
        if is_missing(value):
            raise UserError(f"{where}: no {self.what} in column {self.column!r}: fix or drop the row")
        if isinstance(value, list | tuple | dict):
            raise UserError(
                f"{where}: {self.what} {reprlib.repr(value)} in column {self.column!r} is not one but a "
                f"{'group' if isinstance(value, dict) else 'list'}: several classes for one example (multi-label) are "
                "not supported yet: give one text or number"
            )
        if not isinstance(value, str | int | float | Decimal):
            raise UserError(
                f"{where}: {self.what} {reprlib.repr(value)} in column {self.column!r} is neither text nor a number: "
                "fix the row"
            )

    def _require_one_spelling(self) -> None:
        if len({mark.strip() for mark in self.distinct}) == len(self.distinct):
            return
        seen: dict[str, str] = {}
        for row, ours in enumerate(self.named, start=1):
            for mark in ours:
                if seen.setdefault(mark.strip(), mark) != mark:
                    raise UserError(
                        f"{self.place}, row {row}: {self.what} {mark!r} differs from {seen[mark.strip()]!r} in blanks "
                        "only: fix the row"
                    )


def mark_ids(splits: Mapping[str, Marks], names: Sequence[str]) -> dict[str, list[list[int]]]:
    """The ids of every split, for a head whose classes are `names` in id order.

    Labels and tags are matched with the names, and case counts only where it tells two names apart. If not one is
    among the names (a head with the generic LABEL_0, LABEL_1), integers are taken for the ids themselves.

    Raises:
        UserError: one is neither; with its file and row.
    """
    fold = str.casefold if len({name.casefold() for name in names}) == len(names) else str
    by_name = {fold(name): i for i, name in enumerate(names)}
    # Decided once for all splits: with the names 1, 2, 3 a label 0 is a mistake, not an id.
    found = {mark: by_name[fold(mark)] for marks in splits.values() for mark in marks.distinct if fold(mark) in by_name}
    if found:
        return {split: marks.looked_up(marks.named, found, names) for split, marks in splits.items()}
    by_id = {str(i): i for i in range(len(names))}
    return {split: marks.looked_up(marks.spelled, by_id, names) for split, marks in splits.items()}


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, not a finite number, or at most blanks. `NA` and `null` are text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float | Decimal) and not math.isfinite(value))


def _named(value: Any, names: Sequence[str]) -> str:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else _text(value)


def _text(value: Any) -> str:
    """1.0 of a numeric column is the class 1, but text stays as it is."""
    return str(int(value)) if isinstance(value, float | Decimal) and value == int(value) else str(value)


def _sorted(marks: set[str]) -> list[str]:
    if all(re.fullmatch(r"-?[0-9]+", mark) for mark in marks):
        return sorted(marks, key=lambda mark: (int(mark), mark))
    return sorted(marks)
