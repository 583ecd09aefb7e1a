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

from benchmarks.glue.grid import Cell
from benchmarks.glue.tasks import HOME, TASKS
from theseus_plugin.files import read_json

RESULTS = Path(__file__).parents[1] / "results" / "glue"
_console = Console(stderr=True)


def predecessor_file(task: str) -> Path:
    """The record of a predecessor."""
    return RESULTS / "predecessors" / f"{task}.json"


def file_of(cell: Cell) -> Path:
    """The record of a cell."""
    return RESULTS / f"{cell.key}.json"


def folder_of(cell: Cell) -> Path:
    """Where the model of a cell is written."""
    return HOME / "cells" / cell.key


def again_file() -> Path:
    """The record of the cell that was run anew."""
    return RESULTS / "again.json"


def bench_file() -> Path:
    """The record of the harness."""
    return RESULTS / "bench.json"


def preset_file(task: str) -> Path:
    """The record of the search that a preset comes from."""
    return RESULTS / "presets" / f"{task}.json"


def recorded() -> Iterator[Cell]:
    """Every cell that has a record."""
    for file in sorted(RESULTS.glob("*/*/*.json")):
        yield Cell(**read_json(file)["cell"])


def run_cells(cells: Iterable[Cell], jobs: int) -> None:
    """Run those that have no record yet, in their order; what is interrupted goes on from its last checkpoint."""
    _run_all([cell for cell in cells if not file_of(cell).exists()], jobs)


def run_models(cells: Iterable[Cell], jobs: int) -> None:
    """Run those whose models are not there, be they recorded or not."""
    _run_all([cell for cell in cells if not folder_of(cell).exists()], jobs)


def run_predecessors(tasks: Iterable[str], jobs: int) -> None:
    """Fit those whose models are not there, be they recorded or not."""
    lacking = sorted(task for task in set(tasks) if not TASKS[task].predecessor.exists())
    _run({predecessor_file(task): {"task": task} for task in lacking}, jobs)


def _run_all(cells: Sequence[Cell], jobs: int) -> None:
    """Run cells; first the predecessors that they start from."""
    run_predecessors([cell.task for cell in cells if cell.suite != "transfer"], jobs)
    _run({file_of(cell): vars(cell) for cell in cells}, jobs)


def _run(missing: Mapping[Path, Mapping[str, Any]], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_run_one, what, file): file for file, what in missing.items()}
        try:
            for number, done in enumerate(as_completed(running), start=1):
                done.result()
                _console.print(f"{number} of {len(missing)}: {running[done].relative_to(RESULTS)}", highlight=False)
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
    run_one(what, file, HOME / "logs" / file.relative_to(RESULTS).with_suffix(".log"))
