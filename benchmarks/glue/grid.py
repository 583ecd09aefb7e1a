"""Which cells there are: suite x task x blocks x variant x seed. A cell's key says all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest
from typing import Any

SUITES = ("main", "longer", "beyond", "ablations", "transfer")
"""What a cell can be of."""
SHARE = 1 / 3
"""Of the steps, in which `theseus` replaces."""


def _theseus(**options: Any) -> dict[str, Any]:
    """Replacing as it is compared, but for some options."""
    schedule = {"name": "linear", "share": SHARE}
    return {"name": "theseus", "initialisation": "every-other", "schedule": schedule, **options}


def _schedule(name: str = "linear", share: float = SHARE, **options: Any) -> dict[str, Any]:
    return _theseus(schedule={"name": name, "share": share, **options})


METHODS: dict[str, dict[str, Any]] = {
    "theseus": _theseus(),
    "truncation": {"name": "truncation", "initialisation": "first"},
    "truncation-every-other": {"name": "truncation", "initialisation": "every-other"},
    "kd": {"name": "kd", "initialisation": "every-other"},
    "pkd": {"name": "pkd", "initialisation": "every-other"},
    "tinybert": {"name": "tinybert"},
}
"""Replacing and what people would do instead. What is distilled starts from every other block too, the better start;
`tinybert`, as is its default, from the blocks that it imitates.
"""
ABLATIONS: dict[str, dict[str, Any]] = {
    **{f"constant-{rate}": _schedule("constant", rate=rate) for rate in (0.5, 0.9)},
    "base-0.5": _schedule(base_rate=0.5),
    "share-two-thirds": _schedule(share=2 / 3),
    "share-1": _schedule(share=1.0),
    "anti-curriculum": _schedule("anti-curriculum"),
    "init-first": _theseus(initialisation="first"),
    "init-last": _theseus(initialisation="last"),
    "init-module-last": _theseus(initialisation="module-last"),
    "phase-blocks": _theseus(successor_phase="blocks"),
    "one-lr-decay": _theseus(training={"lr_per_phase": False}),
    "deterministic": _theseus(mixing="deterministic"),
}
"""What the paper varies and what we decided: one option of `theseus` each."""
BEYOND: dict[str, dict[str, Any]] = {"theseus-logits": _theseus(logits_share=0.5)}
"""What goes beyond the paper, which learns from the labels alone: compared like a method, and reported apart."""
CONFIRMED = ("constant-0.5", "one-lr-decay")
"""The ablations that two seeds of `ABLATED` placed highest: with every seed and on all tasks, before one of them could
become the default.
"""
BESIDE = ("theseus", "kd")
"""The methods that the variants of `QUESTIONS` are compared with."""
HALF, THIRD = 3, 2
"""Blocks of successors of half and a third of the depth; transfers are of half."""
ABLATED = ("MRPC", "SST-2")
"""The tasks of the ablations, as in the paper."""
STARTS = ("init-module-last",)
"""The ablations that are asked anew at a third of the depth, with every seed: what modules start from where they are
longer, since `tinybert`, which starts so, is far ahead there.
"""
SOURCE = "SST-2"
"""The task whose successors are fine-tuned on the others: the one with the most examples, as MNLI in the paper."""
TRANSFERRED = ("theseus", "kd", "pretrained")
"""Methods whose successors on `SOURCE` are taken; `pretrained`: the first blocks of the encoder, which saw no task."""
RATES = (1e-4, 2e-4)
"""Learning rates that are searched, for every method alike: at half the depth, with the first seed."""
SEARCHED = ("STS-B", "SST-2")
"""The tasks on which they are; what is best in the mean over them is taken for all tasks."""
SEEDS = {"SST-2": 3}
"""Seeds by task, where they are not `DEFAULT_SEEDS`."""
DEFAULT_SEEDS = 5
FEWER_SEEDS = 2
"""Of ablations and transfers; longer runs have one."""
LONGER = 3
"""How many times the steps of all others a longer run has."""
LONGER_TASK = "STS-B"
LONGER_METHODS = ("theseus", "truncation-every-other", "kd")


@dataclass(frozen=True)
class Cell:
    """One training run."""

    suite: str
    task: str
    blocks: int
    variant: str
    """A name in `METHODS`, `ABLATIONS`, `BEYOND` or `TRANSFERRED`, as the suite is."""
    rate: float
    """The learning rate."""
    seed: int

    @property
    def key(self) -> str:
        """Such as `main/MRPC/3-theseus@0.0002-1`."""
        return f"{self.suite}/{self.name}"

    @property
    def name(self) -> str:
        """In its suite."""
        return f"{self.task}/{self.blocks}-{self.variant}@{self.rate:g}-{self.seed}"

    @property
    def times(self) -> int:
        """How many times the task's steps it takes."""
        return LONGER if self.suite == "longer" else 1

    @property
    def method(self) -> dict[str, Any]:
        """The section `method` of the cell's recipe, but for its training; replacing tells its modules' costs."""
        tells = self.variant == "theseus" and self.blocks == HALF and self.task in ABLATED
        measured = {"module_costs": True} if tells else {}
        return {**(METHODS | ABLATIONS | BEYOND)[self.variant], "successor_blocks": self.blocks, **measured}


Chosen = Callable[[str], float]
"""The learning rate that the search chose for a method."""


def search() -> Iterator[Cell]:
    """Every method with every learning rate, one seed."""
    for task, method, rate in product(SEARCHED, METHODS, RATES):
        yield Cell("main", task, HALF, method, rate, 1)


def main(blocks: int, tasks: Sequence[str], chosen: Chosen) -> Iterator[Cell]:
    """Every method with its chosen rate, seed by seed, so that what is there can be compared at any moment."""
    rates = {method: chosen(method) for method in METHODS}
    columns = [cells_of(blocks, task, method, rate) for task, (method, rate) in product(tasks, rates.items())]
    for row in zip_longest(*columns):
        yield from (cell for cell in row if cell is not None)


def cells_of(blocks: int, task: str, method: str, rate: float) -> list[Cell]:
    """One method on one task, every seed."""
    seeds = range(1, 1 + SEEDS.get(task, DEFAULT_SEEDS))
    return [Cell("main", task, blocks, method, rate, seed) for seed in seeds]


def ablations(tasks: Sequence[str], chosen: Chosen) -> Iterator[Cell]:
    """Every ablation at half the depth, on those of the tasks that have them."""
    rate = chosen("theseus")
    for seed, variant, task in product(range(1, 1 + FEWER_SEEDS), ABLATIONS, tasks):
        if task in ABLATED:
            yield Cell("ablations", task, HALF, variant, rate, seed)


def longer(chosen: Chosen) -> list[Cell]:
    """What more steps change: replacing, its start without it, and distillation."""
    return [Cell("longer", LONGER_TASK, HALF, method, chosen(method), 1) for method in LONGER_METHODS]


def transfers(tasks: Sequence[str], chosen: Chosen) -> Iterator[Cell]:
    """Every successor of `SOURCE` that is taken, fine-tuned on the other tasks, with the learning rate of `theseus`."""
    rate = chosen("theseus")
    for seed, variant, task in product(range(1, 1 + FEWER_SEEDS), TRANSFERRED, tasks):
        if task != SOURCE:
            yield Cell("transfer", task, HALF, variant, rate, seed)


def sources(chosen: Chosen) -> list[Cell]:
    """Those whose successors are transferred."""
    return [source_of(variant, chosen) for variant in TRANSFERRED if variant in METHODS]


def source_of(method: str, chosen: Chosen) -> Cell:
    """The one whose successor is transferred for a method: the first on `SOURCE`."""
    return Cell("main", SOURCE, HALF, method, chosen(method), 1)


def keeps_model(cell: Cell) -> bool:
    """Whether its model stays, for transfers and the harness; the others' would take 70 MB each."""
    return cell.suite == "main" and cell.seed == 1 and cell.variant in TRANSFERRED


@dataclass(frozen=True)
class Question:
    """What some variants give for every seed of the comparison, with the learning rate of `theseus`."""

    suite: str
    variants: Iterable[str]
    blocks: int = HALF

    def cells(self, tasks: Sequence[str], chosen: Chosen) -> Iterator[Cell]:
        """Those that answer it."""
        for task, variant in product(tasks, self.variants):
            for cell in cells_of(self.blocks, task, "theseus", chosen("theseus")):
                yield replace(cell, suite=self.suite, variant=variant)


QUESTIONS = {
    "beyond": Question("beyond", BEYOND),
    "confirmed": Question("ablations", CONFIRMED),
    "starts": Question("ablations", STARTS, THIRD),
}
"""By the name of their table. The first seeds of what is confirmed on `ABLATED` are those of `ablations`."""
