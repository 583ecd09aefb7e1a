"""Short names of models: what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePath

from theseus_plugin.report.record import RUNTIMES, Record


def labels(records: Sequence[Record]) -> list[str]:
    """The paths without the folders that all of them begin or end with; equal ones get their runtime or a number."""
    names = _stripped([PurePath(record["model"]).parts for record in records])
    for notes in ([runtime(r) or "" for r in records], [r.get("precision", "") for r in records]):
        names = _told_apart(names, notes)
    return _told_apart(names, [f"#{place}" for place in range(1, len(names) + 1)])


def runtime(record: Record) -> str | None:
    """What ran the model, in words."""
    name = record.get("runtime")
    return None if name is None else RUNTIMES.get(name, name)


def _stripped(paths: Sequence[tuple[str, ...]]) -> list[str]:
    for _ in range(2):  # the common beginning, then, turned round, the common end
        alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
        common = min(sum(1 for _ in alike), max(0, min(map(len, paths), default=0) - 1))
        paths = [path[common:][::-1] for path in paths]
    return [str(PurePath(*path)) for path in paths]


def _told_apart(names: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Names with notes, where equal names have different ones."""
    pairs = list(zip(names, notes, strict=True))
    kinds = {name: {note for other, note in pairs if other == name} for name in names}
    return [f"{name} ({note})" if len(kinds[name]) > 1 and note else name for name, note in pairs]
