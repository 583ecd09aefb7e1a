"""Which of the recorded runs are put beside each other: those with the same seeds, however far the grid has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.glue import grid
from benchmarks.glue.comparison import Runs
from benchmarks.glue.grid import METHODS, Cell, Question
from benchmarks.glue.runner import is_recorded
from benchmarks.glue.scores import chosen_rate
from theseus_plugin.errors import UserError

ITSELF = "theseus on the task itself"
"""What no transfer is needed for."""


def compared(blocks: int, tasks: Sequence[str]) -> dict[str, list[Runs]]:
    """The runs of every method, task by task, with the seeds that all methods were run with.

    Raises:
        UserError: there is none yet.
    """
    return _by_name([_of_all_methods(blocks, task) for task in tasks])


def beside(tasks: Sequence[str], question: Question) -> dict[str, list[Runs]]:
    """The variants of `question` after the methods they are compared with, task by task, with the seeds that all have.

    Raises:
        UserError: there is none yet.
    """
    return _by_name([_beside(task, question) for task in tasks])


def ablated(task: str) -> dict[str, tuple[Runs, Runs]]:
    """Per ablation that was run the runs, and those of the default with the same seeds; the default comes first."""
    default = _of_method(grid.HALF, task, "theseus")[: grid.FEWER_SEEDS]
    result = {"default": (Runs(default), Runs(default))} if default else {}
    for variant, runs in _by_variant(grid.ablations([task], chosen_rate)).items():
        seeds = {cell.seed for cell in runs} & {cell.seed for cell in default}
        if seeds:
            result[variant] = _with(seeds, runs), _with(seeds, default)
    return result


def replaced(tasks: Sequence[str]) -> list[Runs]:
    """The runs of `theseus` at half the depth."""
    return [Runs(_of_method(grid.HALF, task, "theseus")) for task in tasks]


def transferred(task: str) -> dict[str, Runs]:
    """The runs that were transferred to a task, by what they started from, and those of replacing on the task itself.

    With the seeds that all have.

    Raises:
        UserError: there is none yet.
    """
    cells = _by_variant(grid.transfers([task], chosen_rate))
    cells[ITSELF] = _of_method(grid.HALF, task, "theseus")
    return _of_common_seeds(cells, f"transfers to {task}")


def _of_all_methods(blocks: int, task: str) -> dict[str, Runs]:
    cells = {method: _of_method(blocks, task, method) for method in METHODS}
    return _of_common_seeds(cells, f"{task}, {blocks} blocks")


def _beside(task: str, question: Question) -> dict[str, Runs]:
    theirs = _by_variant(question.cells([task], chosen_rate))
    cells = {method: _of_method(question.blocks, task, method) for method in grid.BESIDE}
    return _of_common_seeds(cells | theirs, f"{task}, {', '.join(theirs)}")


def _by_name(per_task: Sequence[Mapping[str, Runs]]) -> dict[str, list[Runs]]:
    return {name: [runs[name] for runs in per_task] for name in per_task[0]}


def _by_variant(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Those that were run, by variant; a variant of which none was has none."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.variant, []).append(cell)
    return {variant: _recorded(those) for variant, those in found.items()}


def _of_common_seeds(cells: Mapping[str, Sequence[Cell]], what: str) -> dict[str, Runs]:
    seeds = set.intersection(*({cell.seed for cell in those} for those in cells.values()))
    if not seeds:
        raise UserError(f"{what}: no seed of all methods is recorded yet: python -m benchmarks glue")
    return {name: _with(seeds, those) for name, those in cells.items()}


def _recorded(cells: Iterable[Cell]) -> list[Cell]:
    """Those that were run."""
    return [cell for cell in cells if is_recorded(cell)]


def _with(seeds: set[int], cells: Iterable[Cell]) -> Runs:
    return Runs([cell for cell in cells if cell.seed in seeds])


def _of_method(blocks: int, task: str, method: str) -> list[Cell]:
    return _recorded(grid.cells_of(blocks, task, method, chosen_rate(method)))
