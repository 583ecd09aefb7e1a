"""A cell run anew, to see whether it lands where its record says."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.glue.grid import Cell
from benchmarks.glue.runner import RESULTS, run_one
from benchmarks.glue.scores import resampled, score_of
from benchmarks.recording import write_record
from theseus_plugin.files import read_json
from theseus_plugin.measure.statistics import interval


def run_again() -> None:
    """Draw one of all recorded cells, train it from scratch, and record both scores and the first one's interval."""
    cells = sorted(recorded(), key=lambda cell: cell.key)
    cell = random.SystemRandom().choice(cells)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cell.json")
        run_one({**vars(cell), "suite": "again"}, file, Path(folder, "cell.log"))
        new = read_json(file)
    old = read_json(RESULTS / f"{cell.key}.json")
    record = {
        "cell": cell.key,
        "first": score_of(cell.task, old["answers"]),
        "again": score_of(cell.task, new["answers"]),
        "interval": interval(resampled(cell)),
        "environment": new["environment"],
    }
    write_record(RESULTS / "again.json", record)


def recorded() -> Iterator[Cell]:
    """Every cell that has a record."""
    for file in RESULTS.glob("*/*/*.json"):
        yield Cell(**read_json(file)["cell"])
