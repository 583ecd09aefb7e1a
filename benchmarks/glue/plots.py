"""The ablations as drawings: a dot for each seed, a stroke for their mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.glue.comparison import Runs
from benchmarks.glue.scores import predecessor_score
from benchmarks.glue.tasks import TASKS


def draw_ablations(variants: Mapping[str, tuple[Runs, Runs]], file: Path) -> None:
    """The runs of every variant on one task, lines where the default and the predecessor are.

    Raises:
        ImportError: matplotlib is not installed.
    """
    runs = {variant: ours for variant, (ours, _) in variants.items()}
    task = runs["default"].task
    with _dots({variant: ours.scores for variant, ours in runs.items()}, file) as axes:
        axes.axvline(100 * runs["default"].mean, color="#c8701f", linewidth=0.8, linestyle=":")
        axes.axvline(100 * predecessor_score(task), color="black", linewidth=0.8)
        axes.set_xlabel(f"{task}, {TASKS[task].metrics[0]} x 100; black: the predecessor")


def draw_module_costs(tasks: Sequence[Runs], file: Path) -> None:
    """What replacing each module alone changes on every task.

    Raises:
        ImportError: matplotlib is not installed.
    """
    rows = {f"{runs.task}, {module}": costs for runs in tasks for module, costs in runs.module_costs.items()}
    with _dots(rows, file) as axes:
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("points of the score when only this module is replaced")


@contextmanager
def _dots(rows: Mapping[str, Sequence[float]], file: Path) -> Iterator[Any]:
    """Axes with a line of dots for each row, written to `file` in the end."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "theseus"}):
        figure = Figure(figsize=(5.5, 0.9 + 0.24 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for row, values in enumerate(rows.values()):
            axes.plot([100 * value for value in values], [row] * len(values), "o", color="#4579b2", alpha=0.5)
            mean = 100 * sum(values) / len(values)
            axes.plot(mean, row, "|", color="#c8701f", markersize=14, markeredgewidth=2.5)
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
        yield axes
        figure.savefig(file, metadata={"Date": None})
