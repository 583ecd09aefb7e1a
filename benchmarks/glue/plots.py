"""The ablations as one drawing a task: a dot for each seed, a stroke for their mean, a line where the default is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.glue.comparison import Runs
from benchmarks.glue.scores import predecessor_score
from benchmarks.glue.tasks import TASKS


def draw(variants: Mapping[str, Sequence[tuple[Runs, Runs]]], at: int, file: Path) -> None:
    """The runs of every variant on the task at a place of each row.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.figure import Figure

    runs = {variant: row[at][0] for variant, row in variants.items()}
    task = runs["default"].task
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "theseus"}):
        figure = Figure(figsize=(5.5, 0.9 + 0.24 * len(runs)), layout="constrained")
        axes = figure.add_subplot()
        for row, ours in enumerate(runs.values()):
            axes.plot([100 * score for score in ours.scores], [row] * len(ours.scores), "o", color="#4579b2", alpha=0.5)
            axes.plot(100 * ours.mean, row, "|", color="#c8701f", markersize=14, markeredgewidth=2.5)
        axes.axvline(100 * runs["default"].mean, color="#c8701f", linewidth=0.8, linestyle=":")
        axes.axvline(100 * predecessor_score(task), color="black", linewidth=0.8)
        axes.set_yticks(range(len(runs)), runs)
        axes.invert_yaxis()
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
        axes.set_xlabel(f"{task}, {TASKS[task].metrics[0]} x 100; black: the predecessor")
        figure.savefig(file, metadata={"Date": None})
