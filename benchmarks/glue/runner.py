"""Runs the cells that are missing, several at a time, each in a process with one thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import records
from benchmarks.glue.grid import SUITES, Cell
from benchmarks.glue.tasks import HOME, TASKS
from benchmarks.records import Records

PREDECESSORS = Records("glue/predecessors")
"""By task."""
PRESETS = Records("glue/presets")
"""The search that a preset comes from, by task."""
BENCH = Records("glue/bench")
"""Of the harness, one record: `bench`."""
AGAIN = Records("glue/again")
"""The cell that was run anew, one record: `again`."""
_console = Console(stderr=True)


def records_of(cell: Cell) -> Records:
    """Those of its suite, by the name of the cell."""
    return Records(f"glue/{cell.suite}")


def is_recorded(cell: Cell) -> bool:
    """Whether it was run."""
    return cell.name in records_of(cell)


def record_of(cell: Cell) -> Any:
    """What a cell gave.

    Raises:
        KeyError: it was not run.
    """
    return records_of(cell)[cell.name]


def folder_of(cell: Cell) -> Path:
    """Where the model of a cell is written."""
    return HOME / "cells" / cell.key


def recorded() -> Iterator[Cell]:
    """Every cell that has a record."""
    for suite in SUITES:
        for record in Records(f"glue/{suite}").values():
            yield Cell(**record["cell"])


def run_cells(cells: Iterable[Cell], jobs: int) -> None:
    """Run those that have no record yet, in their order; what is interrupted goes on from its last checkpoint."""
    _run_all([cell for cell in cells if not is_recorded(cell)], jobs)


def run_models(cells: Iterable[Cell], jobs: int) -> None:
    """Run those whose models are not there, be they recorded or not."""
    _run_all([cell for cell in cells if not folder_of(cell).exists()], jobs)


def run_predecessors(tasks: Iterable[str], jobs: int) -> None:
    """Fit those whose models are not there, be they recorded or not."""
    lacking = sorted(task for task in set(tasks) if not TASKS[task].predecessor.exists())
    _run({PREDECESSORS.new_file(task): {"task": task} for task in lacking}, jobs)


def _run_all(cells: Sequence[Cell], jobs: int) -> None:
    """Run cells; first the predecessors that they start from."""
    run_predecessors([cell.task for cell in cells if cell.suite != "transfer"], jobs)
    _run({records_of(cell).new_file(cell.name): vars(cell) for cell in cells}, jobs)


def _run(missing: Mapping[Path, Mapping[str, Any]], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_run_one, what, file): file for file, what in missing.items()}
        try:
            for number, done in enumerate(as_completed(running), start=1):
                done.result()
                _console.print(f"{number} of {len(missing)}: {_label(running[done])}", highlight=False)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # the signal that stops us stops the cells that run too
            raise


def run_one(what: Mapping[str, Any], file: Path, log: Path) -> None:
    """A cell, or the fit of a predecessor, in a process that writes its record to `file`.

    Raises:
        RuntimeError: it did not end well; `log` says why.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.glue.cell", json.dumps(what), str(file)]
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("w") as output:
        ended = subprocess.run(command, env=variables, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise RuntimeError(f"{file} was not written, status {ended.returncode}: see {log}")


def _run_one(what: Mapping[str, Any], file: Path) -> None:
    run_one(what, file, HOME / "logs" / f"{_label(file)}.log")


def _label(file: Path) -> str:
    """Such as `main/MRPC/3-kd@0.0001-1`."""
    return str(file.relative_to(records.NEW / "glue").with_suffix(""))
