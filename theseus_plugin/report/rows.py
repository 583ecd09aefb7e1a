"""The table of a report, before it is put into a terminal, a page or a README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from theseus_plugin.report.labels import labels, runtime
from theseus_plugin.report.ratios import differs, interval, noise
from theseus_plugin.report.record import (
    TASK,
    Record,
    is_ok,
    metric_scale,
    metrics,
    named,
    score,
    shapes,
    timed,
    unpaired,
)

ABSENT = "-"
SHOWN = ("model", "runtime", "precision", "status", "error", "size", "memory", "accuracy", "latency")
"""What of a record has rows of its own; everything else is the record of an evaluator that somebody else wrote."""


class Cell(NamedTuple):
    """What stands in one place of the table."""

    text: str
    notes: tuple[str, ...] = ()
    """Smaller, below it."""
    brief: str = ""
    """What of the notes goes where there is little room."""


class Figure(NamedTuple):
    """One row of the table: a figure of every model."""

    heading: str
    cells: list[Cell]


def rows(records: Sequence[Record]) -> list[Figure]:
    """A row for whatever at least one model has, a cell per model; the first row holds the names."""
    result = [Figure("model", [Cell(name) for name in labels(records)])]

    def row(heading: str, cells: Iterable[Cell | None]) -> None:
        found = list(cells)
        if any(found):
            result.append(Figure(heading, [cell or Cell(ABSENT) for cell in found]))

    row("status", (None if is_ok(r) else Cell(r["status"], tuple(filter(None, [r.get("error")]))) for r in records))
    row("runtime", (_text(runtime(r)) for r in records))
    row("precision", (_text(r.get("precision")) for r in records))
    sizes = [r.get("size", {}) for r in records]
    row("blocks", (_blocks(s) for s in sizes))
    row("parameters, million", (_number(s.get("parameters"), "{:.2f}", 1e-6) for s in sizes))
    row("MB on disk", (_number(s.get("bytes"), "{:.1f}", 1e-6) for s in sizes))
    row("peak memory, MB", (_number(r.get("memory", {}).get("peak_bytes"), "{:.0f}", 1e-6) for r in records))
    for metric in metrics(records):
        heading = next(metric_scale(r, metric).heading for r in records if score(r, metric) is not None)
        row(heading, (_score(r, metric) for r in records))
        row("difference", (_difference(r, metric) if i else None for i, r in enumerate(records)))
    for shape in shapes(records):
        row(f"ms, {named(shape)}", (_if_timed(timed(r, shape), i > 0) for i, r in enumerate(records)))
    own = [timed(r, TASK) for r in records]
    row(f"ms, {named(TASK)}", (_if_timed(t, i > 0) for i, t in enumerate(own)))
    row(f"p90 ms, {named(TASK)}", (_milliseconds((t or {}).get("p90_ms")) for t in own))
    row("ms, end to end", (_end_to_end(r, i > 0) for i, r in enumerate(records)))
    row("ms to load", (_milliseconds(r.get("latency", {}).get("load_ms")) for r in records))
    others = [_of_others(r) for r in records]
    for heading in dict.fromkeys(heading for cells in others for heading in cells):
        row(heading, (cells.get(heading) for cells in others))
    return result


def milliseconds(value: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{value:#.3g}".removesuffix(".") if value < 100 else f"{value:.0f}"


def _of_others(record: Record) -> dict[str, Cell]:
    """By heading, the numbers and texts that evaluators which are not ours found."""
    found = {name: values for name, values in record.items() if name not in SHOWN and isinstance(values, Mapping)}
    return {
        f"{name}: {key}": Cell(value if isinstance(value, str) else f"{value:,}")
        for name, values in found.items()
        for key, value in values.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    }


def _text(value: str | None) -> Cell | None:
    return None if value is None else Cell(value)


def _number(value: float | None, template: str, scale: float = 1) -> Cell | None:
    return None if value is None else Cell(template.format(value * scale))


def _blocks(size: Mapping[str, Any]) -> Cell | None:
    """All of them, with those of each stack where there are two."""
    cell = _number(size.get("blocks"), "{}")
    stacks = ", ".join(f"{name} {count}" for name, count in size.get("blocks_by_stack", {}).items())
    return cell._replace(notes=(stacks,), brief=stacks) if cell and stacks else cell


def _milliseconds(value: float | None) -> Cell | None:
    return None if value is None else Cell(milliseconds(value))


def _score(record: Record, metric: str) -> Cell | None:
    accuracy = record.get("accuracy", {})
    if metric not in accuracy.get("metrics", {}):
        return None
    shown = metric_scale(record, metric)
    ends = [shown.text(end, ".1f") for end in accuracy.get("intervals", {}).get(metric, ())]
    notes = (" to ".join(ends),) if ends else ()
    return Cell(shown.text(accuracy["metrics"][metric]), notes, "".join(notes))


def _difference(record: Record, metric: str) -> Cell | None:
    found = record.get("accuracy", {}).get("difference", {}).get(metric)
    if unpaired(record) and score(record, metric) is not None:
        return Cell(ABSENT, ("other examples",), "other examples")
    if found is None:
        return None
    shown = metric_scale(record, metric)
    ends = " to ".join(shown.text(end, "+.2f") for end in found["interval"])
    return Cell(shown.text(found["value"], "+.2f"), (ends,), ends)


def _if_timed(found: Mapping[str, Any] | None, compared: bool) -> Cell | None:
    return None if found is None else _time(found, compared)


def _time(found: Mapping[str, Any], compared: bool) -> Cell:
    """Median, with the ratio to the first model; in the first model's own cell the noise floor."""
    text = milliseconds(found["median_ms"])
    if not compared:
        floor = noise(found)
        said = "" if floor is None else f"noise ±{100 * floor:.1f} %"
        return Cell(text, (said,) if said else (), said)
    times = f"{found['times_as_fast']['median']:.2f}x"
    if differs(found):
        return Cell(text, (times + interval(found),), times)
    return Cell(text, (times + interval(found), "no clear difference"), f"{times}, unclear")


def _end_to_end(record: Record, compared: bool) -> Cell | None:
    found = record.get("latency", {}).get("end_to_end")
    if found is None:
        return None
    cell = _time({**found["total"], "times_as_fast": found["times_as_fast"]}, compared)
    share = f"{100 * found['tokenise']['median_ms'] / found['total']['median_ms']:.0f} % tokeniser"
    return cell._replace(notes=(*cell.notes, share))
