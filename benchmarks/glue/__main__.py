"""Replacing against what people would do instead, at the same size and for the same number of steps.

    python -m benchmarks.glue                   # run what is missing: predecessors, the search, the comparison, ...
    python -m benchmarks.glue --tasks RTE CoLA  # other tasks of GLUE, for whoever has them
    python -m benchmarks.glue --check           # recompute every figure from the committed records

One record a cell (suite, task, blocks, variant, seed) in `benchmarks/results/glue/`. A run may be stopped at any moment
and goes on where it was. GLUE_DIR is the folder of the tasks' TSV files.
"""

from __future__ import annotations

import argparse

from benchmarks.glue import grid
from benchmarks.glue.runner import fit_predecessors, run_cells
from benchmarks.glue.scores import chosen_rate
from benchmarks.glue.tasks import TASKS

MEASURED = ["STS-B", "MRPC", "SST-2"]


def main() -> None:
    """Run the suites that are asked for, in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=MEASURED, metavar="TASK")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time, one thread each")
    arguments = parser.parse_args()
    tasks, jobs = arguments.tasks, arguments.jobs
    fit_predecessors(tasks, jobs)
    run_cells(grid.search(tasks), jobs)
    run_cells(grid.main(3, tasks, chosen_rate), jobs)
    run_cells(grid.ablations(tasks, chosen_rate), jobs)
    run_cells(grid.main(2, tasks, chosen_rate), jobs)


if __name__ == "__main__":
    main()
