"""The tables as the documentation shows them, and the targets beside what was reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.glue import grid
from benchmarks.glue.comparison import Runs, difference, mean_difference, mean_kept
from benchmarks.glue.grid import METHODS, Question
from benchmarks.glue.runner import AGAIN
from benchmarks.glue.scores import chosen_rate, predecessor_score, searched_score
from benchmarks.glue.selection import ITSELF, ablated, beside, compared, replaced, transferred
from benchmarks.glue.tasks import TASKS
from benchmarks.targets import Target

KEPT = 0.984
"""The share of the predecessor's score that the paper keeps at half the depth."""
Table = list[list[str]]


def scores_table(blocks: int, tasks: Sequence[str]) -> Table:
    """Scores with their range over seeds, shares kept, seconds."""
    runs = compared(blocks, tasks)
    counts = [len(one.cells) for one in runs["theseus"]]
    seeds = ["1 seed" if count == 1 else f"{count} seeds" for count in counts]
    columns = [", ".join(pair) for pair in zip(_headings(tasks), seeds, strict=True)]
    rows = [["method", *columns, "kept, mean over tasks", "seconds of training"]]
    rows.append(["predecessor", *(f"{100 * predecessor_score(task):.2f}" for task in tasks), "100 %", ""])
    for method, ours in runs.items():
        seconds = ", ".join(f"{one.seconds:.0f}" for one in ours)
        rows.append([method, *map(_score, ours), _kept(ours), seconds])
    return rows


def differences_table(blocks: int, tasks: Sequence[str]) -> Table:
    """How much more of the predecessor's score `theseus` keeps than each baseline."""
    runs = compared(blocks, tasks)
    rows = [["theseus against", *tasks, "mean over tasks"]]
    ours = runs.pop("theseus")
    for method, theirs in runs.items():
        cells = [_difference([one], [two]) for one, two in zip(ours, theirs, strict=True)]
        rows.append([method, *cells, _difference(ours, theirs)])
    return rows


def beside_table(tasks: Sequence[str], question: Question) -> Table:
    """What a question's variants reach with every seed, and how much more that is."""
    runs = beside(tasks, question)
    more = [f"more than {name}" for name in grid.BESIDE]
    rows = [["method", *_headings(tasks), "kept, mean over tasks", *more]]
    for method, ours in runs.items():
        against = ["" if method in grid.BESIDE else _difference(ours, runs[name]) for name in grid.BESIDE]
        rows.append([method, *map(_score, ours), _kept(ours), *against])
    return rows


def ablations_table(tasks: Sequence[str]) -> Table:
    """What each option of `theseus` changes, against the default on the same seeds."""
    rows = [["changed", *(f"{task}: {what}" for task in tasks for what in ("score", "against the default"))]]
    found = [ablated(task) for task in tasks]
    for variant in dict.fromkeys(variant for variants in found for variant in variants):
        row = [variant]
        for variants in found:
            row += _against(*variants[variant]) if variant in variants else ["", ""]
        rows.append(row)
    return rows


def longer_table() -> Table:
    """What more steps change, with the first seed."""
    task = TASKS[grid.LONGER_TASK]
    runs = {cell.variant: (Runs([replace(cell, suite="main")]), Runs([cell])) for cell in grid.longer(chosen_rate)}
    ours = runs["theseus"][1]
    rows = [[_headings([task.name])[0], f"{task.steps} steps", f"{grid.LONGER * task.steps} steps", "theseus keeps"]]
    for method, (short, long) in runs.items():
        against = "" if long is ours else _difference([ours], [long]) + " more"
        rows.append([method, *(f"{100 * one.mean:.2f} ({100 * one.kept:.1f} %)" for one in (short, long)), against])
    return rows


def modules_table(tasks: Sequence[str]) -> Table:
    """What the score changes by where one module alone is replaced, as the replacing phase ends."""
    costs = [runs.module_costs for runs in replaced(tasks)]
    rows = [["replaced alone", *_headings(tasks)]]
    for module in costs[0]:
        rows.append([module, *(_spread(one[module], "+.2f") for one in costs)])
    return rows


def transfers_table(tasks: Sequence[str]) -> Table:
    """Successors of the source task fine-tuned on the others, against the encoder's own blocks fine-tuned there.

    And what replacing on the task itself gives.

    Raises:
        UserError: one was not run yet.
    """
    targets = [task for task in tasks if task != grid.SOURCE]
    rows = [
        [f"from {grid.SOURCE}", *(f"{task}: {what}" for task in targets for what in ("score", "against pretrained"))]
    ]
    found = [transferred(task) for task in targets]
    for variant in (*grid.TRANSFERRED, ITSELF):
        rows.append([variant, *(cell for runs in found for cell in _against(runs[variant], runs["pretrained"]))])
    return rows


def targets(tasks: Sequence[str]) -> Iterator[Target]:
    """What issue and paper ask for at half the depth."""
    runs = compared(grid.HALF, tasks)
    ours = runs.pop("theseus")
    for one in ours:
        wanted = len(grid.cells_of(grid.HALF, one.task, "theseus", 0.0))
        yield Target(f"seeds, {one.task}", str(len(one.cells)), f"at least {wanted}", len(one.cells) >= wanted)
    yield Target(
        "share of the predecessor's score kept, mean over tasks",
        _kept(ours),
        f"at least {100 * KEPT} %",
        mean_kept(ours)[0] >= KEPT,
    )
    for method, theirs in runs.items():
        value, _ = mean_difference(ours, theirs)
        yield Target(f"theseus - {method}, mean over tasks", _difference(ours, theirs), "above 0", value > 0)
        for one, two in zip(ours, theirs, strict=True):
            _, between = difference(one, two)
            name, shown = f"theseus - {method}, {one.task}", _difference([one], [two])
            yield Target(name, shown, "not clearly below 0", between[1] >= 0)


def short_table(tasks: Sequence[str]) -> Table:
    """For the README: what each method keeps at half the depth."""
    rows = [["half the depth", *_headings(tasks), "mean kept", "theseus keeps"]]
    runs = compared(grid.HALF, tasks)
    ours = runs["theseus"]
    for method, theirs in runs.items():
        shares = [f"{100 * one.kept:.1f} %" for one in theirs]
        against = "" if theirs is ours else _difference(ours, theirs) + " more"
        rows.append([method, *shares, _kept(theirs), against])
    return rows


def again_table() -> Table:
    """The cell that was run anew."""
    record = AGAIN["again"]
    scores = [f"{100 * record[which]:.2f}" for which in ("first", "again")]
    between = _points(record["interval"], ".2f")
    return [["cell", "recorded", "run anew", "interval of the recorded"], [record["cell"], *scores, between]]


def rates_table() -> Table:
    """What the search found for every learning rate, and which one it chose."""
    rows = [["method", *(f"{rate:g}" for rate in grid.RATES), "chosen"]]
    for method in METHODS:
        found = [f"{100 * searched_score(method, rate):.2f}" for rate in grid.RATES]
        rows.append([method, *found, f"{chosen_rate(method):g}"])
    return rows


def _headings(tasks: Sequence[str]) -> list[str]:
    """What the tasks' columns of scores are called."""
    return [f"{task}, {TASKS[task].metrics[0]}" for task in tasks]


def _against(ours: Runs, default: Runs) -> list[str]:
    """A score, and what is kept more than by the default, unless it is the default's own."""
    return [_score(ours), "" if ours.cells == default.cells else _difference([ours], [default])]


def _kept(runs: Sequence[Runs]) -> str:
    """The share of the predecessor's score that is kept, in the mean over tasks."""
    kept, between = mean_kept(runs)
    return f"{100 * kept:.1f} % ({_points(between, '.1f')})"


def _score(runs: Runs) -> str:
    return _spread(runs.scores, ".2f")


def _spread(values: Sequence[float], template: str) -> str:
    spread = f" ({_points((min(values), max(values)), template)})" if len(values) > 1 else ""
    return f"{100 * float(np.mean(values)):{template}}{spread}"


def _points(between: Sequence[float], template: str) -> str:
    return f"{100 * between[0]:{template}} to {100 * between[1]:{template}}"


def _difference(first: Sequence[Runs], other: Sequence[Runs]) -> str:
    """How much more is kept by `first`; bold where the interval excludes 0, unless one seed is all it rests on."""
    value, between = mean_difference(first, other)
    text = f"{100 * value:+.1f} ({_points(between, '+.1f')})"
    several = all(len(runs.cells) > 1 for runs in (*first, *other))
    return f"**{text}**" if several and (between[0] > 0 or between[1] < 0) else text
