"""Replacing against what people would do instead, at the same size and for the same number of steps.

    python -m benchmarks glue                   # run what is missing: predecessors, the search, the comparison, ...
    python -m benchmarks glue --tasks RTE CoLA  # other tasks of GLUE, for whoever has them
    python -m benchmarks glue --harness         # latency and bytes of what was trained; nothing else may run
    python -m benchmarks glue --presets         # search what examples/ recommends for the tasks
    python -m benchmarks glue --write           # collect the records; bring tables and plots of documents up to date
    python -m benchmarks glue --check           # recompute everything that is shown from the records
    python -m benchmarks glue --again           # run a cell anew that is drawn at random: does it land in its interval?

One record a cell (suite, task, blocks, variant, seed) in `benchmarks/results/glue/`. A run may be stopped at any moment
and goes on where it was. GLUE_DIR is the folder of the tasks' TSV files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from benchmarks import suite
from benchmarks.glue import documents, grid, harness, page, plots, presets, selection
from benchmarks.glue.again import run_again
from benchmarks.glue.runner import is_recorded, run_cells, run_models
from benchmarks.glue.scores import chosen_rate
from benchmarks.glue.tasks import TASKS
from benchmarks.records import parts_of
from theseus_plugin.errors import UserError
from theseus_plugin.report.markdown import markdown_table

MEASURED = ["STS-B", "MRPC", "SST-2"]
PLOTS = Path("docs")


@suite.errors_in_words()
def main() -> None:
    """Do what is asked for."""
    others = {
        "harness": "measure latency and bytes of successors",
        "presets": "search the presets of examples/",
        "again": "run a cell anew, drawn at random",
    }
    parser = suite.parser("glue", __doc__, **others)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=MEASURED, metavar="TASK")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time, one thread each")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.tasks)
    elif arguments.write:
        write(arguments.tasks)
    elif arguments.harness:
        harness.measure()
    elif arguments.presets:
        presets.search(arguments.tasks, arguments.jobs)
    elif arguments.again:
        run_again()
    else:
        run(arguments.tasks, arguments.jobs)


def run(tasks: Sequence[str], jobs: int) -> None:
    """Every suite, in the order in which it is needed."""
    run_cells(grid.search(), jobs)
    run_cells(grid.main(grid.HALF, tasks, chosen_rate), jobs)
    run_cells(grid.longer(chosen_rate), jobs)
    run_cells(grid.ablations(tasks, chosen_rate), jobs)
    run_cells(grid.main(grid.THIRD, tasks, chosen_rate), jobs)
    for question in grid.QUESTIONS.values():
        run_cells(question.cells(tasks, chosen_rate), jobs)
    transfers = list(grid.transfers(tasks, chosen_rate))
    if not all(map(is_recorded, transfers)):
        run_models(grid.sources(chosen_rate), jobs)
    run_cells(transfers, jobs)


def tables(tasks: Sequence[str]) -> dict[str, Callable[[], str]]:
    """The tables by the name that documents ask for them with."""
    made: dict[str, Callable[[], page.Table]] = {
        "short": partial(page.short_table, tasks),
        **{name: partial(page.beside_table, tasks, question) for name, question in grid.QUESTIONS.items()},
        "ablations": partial(page.ablations_table, grid.ABLATED),
        "longer": page.longer_table,
        "modules": partial(page.modules_table, grid.ABLATED),
        "transfers": partial(page.transfers_table, tasks),
        "rates": page.rates_table,
        "presets": partial(presets.table, tasks),
        "again": page.again_table,
    }
    for blocks in (grid.HALF, grid.THIRD):
        made[f"scores-{blocks}"] = partial(page.scores_table, blocks, tasks)
        made[f"differences-{blocks}"] = partial(page.differences_table, blocks, tasks)
    texts = {name: cache(lambda rows=rows: markdown_table(rows())) for name, rows in made.items()}
    return {**texts, "harness": cache(harness.table)}


def write(tasks: Sequence[str]) -> None:
    """Collect the records, and bring the documents' tables and plots up to date."""
    for part in parts_of("glue"):
        part.collect()
    documents.write(tables(tasks))
    for task in grid.ABLATED:
        found = selection.ablated(task)
        if len(found) > 1:  # more than the default
            plots.draw_ablations(found, PLOTS / f"ablations-{task.lower()}.svg")
    plots.draw_module_costs(selection.replaced(grid.ABLATED), PLOTS / "module-costs.svg")


def check(tasks: Sequence[str]) -> None:
    """Print every table and target; end with status 1 where something falls short."""
    made = tables(tasks)
    whole = True
    for name, table in made.items():
        try:
            print(f"{name}\n\n{table()}\n")  # noqa: T201
        except UserError as error:  # a record that is not there yet
            whole = False
            print(f"{name}: {error}\n")  # noqa: T201
    lines = list(page.targets(tasks))
    for line in lines:
        print(line.text)  # noqa: T201
    old = documents.outdated(made)
    for document in old:
        print(f"{document} does not show these tables: python -m benchmarks glue --write")  # noqa: T201
    if old or not whole or not all(line.reached for line in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
