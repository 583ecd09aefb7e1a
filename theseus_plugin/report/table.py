"""The table of a report: a row for whatever was measured, a column per model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from theseus_plugin.console import plain
from theseus_plugin.report.record import Bench, Model, Size
from theseus_plugin.report.timing import OWN_EXAMPLES, Timing

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "-"


class Cell(NamedTuple):
    """What stands in one place of the table."""

    text: str
    notes: tuple[str, ...] = ()
    """Smaller, below it."""
    brief: str = ""
    """What of the notes goes where there is little room."""


class Row(NamedTuple):
    """One measure of every model."""

    heading: str
    cells: list[Cell]


def rows(bench: Bench) -> list[Row]:
    """A row for whatever at least one model has, a cell per model; the first row holds the names."""
    models = bench.models
    result = [Row("model", [Cell(model.name) for model in models])]

    def row(heading: str, cells: Iterable[Cell | None]) -> None:
        found = list(cells)
        if any(found):
            result.append(Row(heading, [cell or Cell(ABSENT) for cell in found]))

    row("status", (None if m.ok else Cell(m.status, (m.error,) if m.error else ()) for m in models))
    row("runtime", (_text(m.runtime) for m in models))
    row("precision", (_text(m.precision) for m in models))
    row("blocks", (_blocks(m.size) for m in models))
    row("parameters, million", (_number(m.size.parameters, "{:.2f}", 1e-6) for m in models))
    row("MB on disk", (_number(m.size.bytes, "{:.1f}", 1e-6) for m in models))
    row("peak memory, MB", (_number(m.memory.peak_bytes if m.memory else None, "{:.0f}", 1e-6) for m in models))
    for metric in bench.metrics:
        heading = next(m.scores[metric].scale.heading for m in models if metric in m.scores)
        row(heading, (_score(m, metric) for m in models))
        row("difference", (_difference(m, metric) if place else None for place, m in enumerate(models)))
    for shape in bench.shapes:
        row(f"ms, {shape.name}", (_if_timed(m.timings.get(shape)) for m in models))
    own = [m.timings.get(OWN_EXAMPLES) for m in models]
    row(f"ms, {OWN_EXAMPLES.name}", map(_if_timed, own))
    row(f"p90 ms, {OWN_EXAMPLES.name}", (_milliseconds(timing.p90_ms if timing else None) for timing in own))
    row("ms, end to end", map(_end_to_end, models))
    row("ms to load", (_milliseconds(m.latency.load_ms if m.latency else None) for m in models))
    others = [_of_others(m) for m in models]
    for heading in dict.fromkeys(heading for cells in others for heading in cells):
        row(heading, (cells.get(heading) for cells in others))
    return result


def terminal_table(rows: Sequence[Row], warnings: Sequence[str]) -> Table:
    """The table for a terminal, a column per model, under the warnings."""
    from rich.table import Table

    headings, *body = rows
    result = Table(title=plain("\n".join(warnings)) if warnings else None, title_style="bold")
    result.add_column(headings.heading, min_width=10)
    for name in headings.cells:
        result.add_column(plain(name.text), justify="right", overflow="fold")
    few = len(headings.cells) <= 3  # where columns are narrow, only what is needed most
    for heading, cells in body:
        notes = [cell.notes if few else tuple(filter(None, [cell.brief])) for cell in cells]
        lines = ["\n".join((cell.text, *below)) for cell, below in zip(cells, notes, strict=True)]
        result.add_row(plain(heading), *map(plain, lines))
    return result


def milliseconds(value: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{value:#.3g}".removesuffix(".") if value < 100 else f"{value:.0f}"


def _text(value: str | None) -> Cell | None:
    return None if value is None else Cell(value)


def _number(value: float | None, template: str, scale: float = 1) -> Cell | None:
    return None if value is None else Cell(template.format(value * scale))


def _milliseconds(value: float | None) -> Cell | None:
    return None if value is None else Cell(milliseconds(value))


def _blocks(size: Size) -> Cell | None:
    """All of them, with those of each stack where there are two."""
    cell = _number(size.blocks, "{}")
    stacks = ", ".join(f"{name} {count}" for name, count in size.blocks_by_stack.items())
    return cell._replace(notes=(stacks,), brief=stacks) if cell and stacks else cell


def _score(model: Model, metric: str) -> Cell | None:
    score = model.scores.get(metric)
    if score is None:
        return None
    ends = " to ".join(score.scale.text(end, ".1f") for end in score.interval or ())
    return Cell(score.scale.text(score.value), (ends,) if ends else (), ends)


def _difference(model: Model, metric: str) -> Cell | None:
    score = model.scores.get(metric)
    if score is None:
        return None
    if model.unpaired:
        return Cell(ABSENT, ("other examples",), "other examples")
    if score.difference is None:
        return None
    ends = " to ".join(score.scale.text(end, "+.2f") for end in score.difference.interval)
    return Cell(score.scale.text(score.difference.value, "+.2f"), (ends,), ends)


def _if_timed(timing: Timing | None) -> Cell | None:
    return None if timing is None else _time(timing)


def _time(timing: Timing) -> Cell:
    """Median, with the ratio to the first model; in the first model's own cell the noise floor."""
    text, ratio = milliseconds(timing.median_ms), timing.ratio
    if ratio is None:
        said = "" if timing.noise is None else f"noise ±{100 * timing.noise:.1f} %"
        return Cell(text, (said,) if said else (), said)
    times = f"{ratio.median:.2f}x"
    if timing.differs:
        return Cell(text, (times + ratio.behind,), times)
    return Cell(text, (times + ratio.behind, "no clear difference"), f"{times}, unclear")


def _end_to_end(model: Model) -> Cell | None:
    found = model.latency.end_to_end if model.latency else None
    if found is None:
        return None
    cell = _time(found.total)
    share = f"{100 * found.tokenise_ms / found.total.median_ms:.0f} % tokeniser"
    return cell._replace(notes=(*cell.notes, share))


def _of_others(model: Model) -> Mapping[str, Cell]:
    """By heading, what evaluators that are not ours found."""
    return {
        f"{name}: {key}": Cell(value if isinstance(value, str) else f"{value:,}")
        for name, values in model.others.items()
        for key, value in values.items()
    }
