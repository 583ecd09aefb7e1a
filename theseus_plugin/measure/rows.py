"""The table of a report, before it is put into a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Record = Mapping[str, Any]
"""One of the `models` that `bench` gives."""
RUNTIMES = {"onnx": "ONNX Runtime", "torch": "PyTorch"}
ABSENT = "-"


class Cell(NamedTuple):
    """What stands in one place of the table."""

    text: str
    note: str = ""
    """Smaller, beside it."""


def rows(records: Sequence[Record]) -> tuple[list[str], list[list[Cell]]]:
    """Headings and rows: one row per model, a column for whatever at least one model has."""
    headings = ["model", "runtime"]
    body = [[Cell(r["model"]), Cell(RUNTIMES.get(r.get("kind", ""), ABSENT))] for r in records]

    def column(heading: str, cells: Iterable[Cell | None]) -> None:
        found = list(cells)
        if any(found):
            headings.append(heading)
            for row, cell in zip(body, found, strict=True):
                row.append(cell or Cell(ABSENT))

    sizes = [r.get("size", {}) for r in records]
    column("blocks", (_cell(s.get("blocks"), "{}") for s in sizes))
    column("parameters, million", (_cell(s.get("parameters"), "{:.2f}", 1e-6) for s in sizes))
    column("MB", (_cell(s.get("bytes"), "{:.1f}", 1e-6) for s in sizes))
    for metric in metrics(records):
        scores = (r.get("accuracy", {}).get("metrics", {}).get(metric) for r in records)
        column(f"{metric} x 100", (_cell(score, "{:.2f}", 100) for score in scores))
    for shape in shapes(records):
        column(f"ms, {shape}", (_milliseconds(r, shape, i > 0) for i, r in enumerate(records)))
    return headings, body


def metrics(records: Sequence[Record]) -> list[str]:
    """Names of all metrics, in the order met."""
    return list(dict.fromkeys(name for r in records for name in r.get("accuracy", {}).get("metrics", {})))


def shapes(records: Sequence[Record]) -> list[str]:
    """All shapes timed, in the order met."""
    return list(dict.fromkeys(shape for r in records for shape in r.get("latency", {}).get("shapes", {})))


def _cell(value: float | None, form: str, scale: float = 1) -> Cell | None:
    return None if value is None else Cell(form.format(value * scale))


def _milliseconds(record: Record, shape: str, compared: bool) -> Cell | None:
    timed = record.get("latency", {}).get("shapes", {}).get(shape)
    if timed is None:
        return None
    fast = timed["times_as_fast"]
    note = f"{fast['median']:.2f}x ({fast['min']:.2f}-{fast['max']:.2f})" if compared else ""
    return Cell(f"{timed['median_ms']:.3g}" if timed["median_ms"] < 100 else f"{timed['median_ms']:.0f}", note)
