"""A cell run anew, to see whether it lands where its record says."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from benchmarks.glue.runner import AGAIN, recorded, run_one
from benchmarks.glue.scores import resampled, score, score_of
from theseus_plugin.files import read_json
from theseus_plugin.measure.statistics import interval


def run_again() -> None:
    """Draw one of the recorded cells, train it from scratch, and record both scores and the first one's interval.

    Transfers are left out: they start from another cell's successor, which most machines do not have. So are longer
    runs: their number of steps is their suite's.
    """
    cell = random.SystemRandom().choice([one for one in recorded() if one.suite not in ("transfer", "longer")])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cell.json")
        run_one({**vars(cell), "suite": "again"}, file, Path(folder, "cell.log"))
        new = read_json(file)
    record = {
        "cell": cell.key,
        "first": score(cell),
        "again": score_of(cell.task, new["answers"]),
        "interval": interval(resampled(cell)),
        "environment": new["environment"],
    }
    AGAIN.put("again", record)
