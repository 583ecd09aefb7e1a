"""What the cells say of each other: means over seeds, shares of the predecessor's score, intervals of differences.

Intervals hold 95 %: both the examples and the seeds are drawn with replacement, the examples alike for all.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.glue.grid import Cell
from benchmarks.glue.runner import record_of
from benchmarks.glue.scores import predecessor_resampled, predecessor_score, resampled, score
from benchmarks.glue.tasks import TASKS
from theseus_plugin.measure.statistics import interval


@dataclass(frozen=True)
class Runs:
    """The cells of one variant on one task, which differ in nothing but their seeds."""

    cells: Sequence[Cell]

    @property
    def task(self) -> str:
        """Their task."""
        return self.cells[0].task

    @cached_property
    def scores(self) -> list[float]:
        """By seed."""
        return [score(cell) for cell in self.cells]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.scores))

    @property
    def kept(self) -> float:
        """The share of the predecessor's score that the mean is."""
        return self.mean / predecessor_score(self.task)

    @property
    def seconds(self) -> float:
        """Of training and its evaluations, the median over seeds."""
        return float(np.median([record_of(cell)["training"]["seconds"] for cell in self.cells]))

    @property
    def module_costs(self) -> dict[str, list[float]]:
        """By module, and by seed: what the score changes by where that module alone is replaced, as replacing ends."""
        rows = [record_of(cell)["training"]["module_costs"] for cell in self.cells]
        metric = TASKS[self.task].metrics[0]
        names = [row["module"] for row in rows[0][1:]]
        return {name: [seed[at][metric] - seed[0][metric] for seed in rows] for at, name in enumerate(names, start=1)}

    @cached_property
    def drawn(self) -> np.ndarray:
        """Means over as many seeds drawn with replacement, on resampled examples."""
        rows = np.stack([resampled(cell) for cell in self.cells])
        random = np.random.default_rng(zlib.crc32(self.cells[0].key.encode()))  # of no other variant's draws
        seeds = random.integers(len(rows), size=rows.shape)
        mean: np.ndarray = np.take_along_axis(rows, seeds, axis=0).mean(axis=0)
        return mean

    @cached_property
    def kept_drawn(self) -> np.ndarray:
        """`kept`, likewise."""
        kept: np.ndarray = self.drawn / predecessor_resampled(self.task)
        return kept

    @property
    def kept_interval(self) -> list[float]:
        """Of `kept`."""
        return interval(self.kept_drawn)


def difference(first: Runs, other: Runs) -> tuple[float, list[float]]:
    """How much more of the predecessor's score `first` keeps, and the interval."""
    return first.kept - other.kept, interval(first.kept_drawn - other.kept_drawn)


def mean_kept(runs: Sequence[Runs]) -> tuple[float, list[float]]:
    """The mean over tasks of the share kept, and its interval."""
    return float(np.mean([one.kept for one in runs])), interval(np.mean([one.kept_drawn for one in runs], axis=0))


def mean_difference(first: Sequence[Runs], other: Sequence[Runs]) -> tuple[float, list[float]]:
    """How much more of the predecessors' scores `first` keeps, in the mean over tasks, and the interval."""
    drawn = [one.kept_drawn - two.kept_drawn for one, two in zip(first, other, strict=True)]
    return mean_kept(first)[0] - mean_kept(other)[0], interval(np.mean(drawn, axis=0))
