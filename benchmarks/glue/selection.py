"""Which of the recorded runs are put beside each other: those with the same seeds, however far the grid has come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.glue import grid
from benchmarks.glue.comparison import Runs
from benchmarks.glue.grid import ABLATIONS, METHODS, Cell
from benchmarks.glue.runner import file_of
from benchmarks.glue.scores import chosen_rate
from theseus_plugin.errors import UserError


def compared(blocks: int, tasks: Sequence[str]) -> dict[str, list[Runs]]:
    """The runs of every method, task by task, with the seeds that all methods were run with.

    Raises:
        UserError: there is none yet.
    """
    per_task = [_of_all_methods(blocks, task) for task in tasks]
    return {method: [runs[method] for runs in per_task] for method in METHODS}


def ablated(task: str) -> dict[str, tuple[Runs, Runs]]:
    """Per variant that was run the runs, and those of the default with the same seeds; the default comes first."""
    default = _replaced(task)[: grid.FEWER_SEEDS]
    result = {"default": (Runs(default), Runs(default))} if default else {}
    cells = list(grid.ablations([task], chosen_rate))
    for variant in ABLATIONS:
        runs = recorded_of([cell for cell in cells if cell.variant == variant])
        seeds = {cell.seed for cell in runs} & {cell.seed for cell in default}
        if seeds:
            result[variant] = _with(seeds, runs), _with(seeds, default)
    return result


def replaced(tasks: Sequence[str]) -> list[Runs]:
    """The runs of `theseus` at half the depth."""
    return [Runs(_replaced(task)) for task in tasks]


def recorded_of(cells: Iterable[Cell]) -> list[Cell]:
    """Those that were run."""
    return [cell for cell in cells if file_of(cell).exists()]


def _of_all_methods(blocks: int, task: str) -> dict[str, Runs]:
    cells = {method: recorded_of(grid.cells_of(blocks, task, method, chosen_rate(method))) for method in METHODS}
    seeds = set.intersection(*({cell.seed for cell in those} for those in cells.values()))
    if not seeds:
        raise UserError(f"{task}, {blocks} blocks: no seed of all methods is recorded yet: python -m benchmarks.glue")
    return {method: _with(seeds, those) for method, those in cells.items()}


def _with(seeds: set[int], cells: Iterable[Cell]) -> Runs:
    return Runs([cell for cell in cells if cell.seed in seeds])


def _replaced(task: str) -> list[Cell]:
    return recorded_of(grid.cells_of(grid.HALF, task, "theseus", chosen_rate("theseus")))
