"""Several models timed side by side, in rounds that go forth and back, and what is said of each against the first.

All are alive, and one works at a time. The speed of a machine drifts by more than models differ. So each round has two
short bursts of calls of every model, and speeds are compared within a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from theseus_plugin.measure.child import Child
from theseus_plugin.measure.inputs import Inputs, parse_shape
from theseus_plugin.measure.models import Model
from theseus_plugin.measure.placement import Placed
from theseus_plugin.measure.statistics import ratio, summary
from theseus_plugin.vocabulary import Batch


class Process(Protocol):
    """What answers: a `child.Child`, or a `worker.Worker` behind something else."""

    def ask(self, question: str, **details: Any) -> Any:
        """The answer to a question of `worker.Worker`."""


@dataclass(frozen=True)
class Rule:
    """How long is measured."""

    rounds: int
    """Rounds by one set of processes; a run has two sets."""
    runs: int
    """At least so many runs ..."""
    max_runs: int
    """... and at most so many, if the control has not come to rest before."""
    noise: float
    """It has when its interval reaches no farther than this from its median, as a share of it."""
    settle_seconds: float
    """A burst begins with calls that do not count, one at least and for this time; then it ..."""
    min_seconds: float
    """... goes on for at least this time ..."""
    min_count: int
    """... and for at least so many calls (passes, where there are several batches)."""
    warmup_seconds: float
    """Calls before the rounds end when they are steady, or after this time."""

    @property
    def burst(self) -> dict[str, Any]:
        """The limits of a burst."""
        return {
            "settle_seconds": self.settle_seconds,
            "min_seconds": self.min_seconds,
            "min_count": self.min_count,
        }


@dataclass(frozen=True)
class Timed:
    """Durations in ms of one model's calls."""

    load: float
    first: float
    warmup: list[float]
    rounds: list[list[float]]


@dataclass
class Comparison:
    """Each of its verbs starts a process per model, times what it is named for, and ends them."""

    models: Sequence[Model]
    inputs: Sequence[Inputs]
    """The task's examples as each model takes them."""
    auto_class: str
    config: Placed
    spinning: bool
    rule: Rule
    tick: Callable[[], None]
    """Called at the end of each verb."""
    loads: dict[int, list[float]] = field(default_factory=dict)
    """Every load of each model, in ms."""

    def shape(self, shape: str) -> list[dict[str, Any]]:
        """Per model the record of a shape: statistics of its calls, and how it compares with the first."""
        size, length = parse_shape(shape)
        if length is None:  # the same examples for all, however long each model finds them
            chosen = self.inputs[0].drawn(size)
            return self._race(lambda inputs: [inputs.collate(chosen)])
        return self._race(lambda inputs: [inputs.batch(shape)])

    def examples(self, chosen: Sequence[int]) -> list[dict[str, Any]]:
        """Per model the record of some of the task's examples, one at a time, and how many they are and how long."""
        records = self._race(lambda inputs: [inputs.collate([at]) for at in chosen])
        for record, inputs in zip(records, self.inputs, strict=True):
            record["examples"] = len(chosen)
            if lengths := inputs.lengths(chosen):
                record["lengths"] = lengths
        return records

    def texts(self, chosen: Sequence[int]) -> list[dict[str, Any]]:
        """Per model the record of the same examples from string to logits."""
        data = self.inputs[0].data
        texts = [data.texts["validation"][at] for at in chosen]
        timed: list[dict[str, list[list[float]]]] = [{"tokenise": [], "total": []} for _ in self.models]
        forth = range(len(self.models))
        for order in (forth, forth[::-1]) * self.rule.runs:
            models = [self.models[at] for at in order]
            limits = [self.inputs[at].data.max_length for at in order]
            with self._processes(models) as processes:
                answers = time_texts(processes, [str(model.folder) for model in models], texts, limits, self.rule)
            for at, answer in zip(order, answers, strict=True):
                timed[at]["tokenise"] += answer["tokenise"]
                timed[at]["total"] += answer["total"]
        self.tick()
        return [
            {
                "tokenise": summary(one["tokenise"]),
                "total": summary(one["total"]),
                "times_as_fast": ratio(timed[0]["total"], one["total"]),
            }
            for one in timed
        ]

    def _race(self, batches: Callable[[Inputs], list[Batch]]) -> list[dict[str, Any]]:
        """The first model's file takes part once more, as a control: how far its ratio is from 1 is what this way of
        measuring makes of no difference at all.
        """
        models = [*self.models, self.models[0]]
        made = [batches(own) for own in [*self.inputs, self.inputs[0]]]

        def run(order: Sequence[int]) -> list[Timed]:
            with self._processes([models[at] for at in order]) as processes:
                return time_batches(processes, [made[at] for at in order], self.rule)

        timed = race(run, len(models), self.rule)
        for at, one in enumerate(timed[:-1]):
            self.loads.setdefault(at, []).append(one.load)
        self.tick()
        return [_record(one, timed[0], control=timed[-1]) for one in timed[:-1]]

    @contextmanager
    def _processes(self, models: Sequence[Model]) -> Iterator[list[Child]]:
        """They import their runtimes at the same time, and are done with it."""
        with ExitStack() as stack:
            children = [
                stack.enter_context(Child(model, self.auto_class, self.config, self.spinning)) for model in models
            ]
            for child in children:
                child.receive()
            yield children


def time_batches(processes: Sequence[Process], batches: Sequence[Sequence[Batch]], rule: Rule) -> list[Timed]:
    """Load the models one after the other, then time each on its own batches.

    One batch is warmed up until its calls are steady. Of several, each is called once, which for some runtimes is what
    makes its shape known; then every round has its share of them.
    """
    loads, warmups = [], []
    for process, own in zip(processes, batches, strict=True):
        loads.append(_ms([process.ask("open")])[0])
        process.ask("bind", batches=own)
        first, *others = process.ask("once")
        warm = others or process.ask("warm_up", max_seconds=rule.warmup_seconds)
        warmups.append(_ms([first, *warm]))
    answers = _in_rounds(processes, "burst", len(batches[0]), rule)
    return [
        Timed(load, first, warm, [_ms([*forth, *back]) for forth, back in rounds])
        for load, (first, *warm), rounds in zip(loads, warmups, answers, strict=True)
    ]


def time_texts(
    processes: Sequence[Process],
    folders: Sequence[str],
    texts: Sequence[Sequence[str]],
    max_lengths: Sequence[int | None],
    rule: Rule,
) -> list[dict[str, list[list[float]]]]:
    """Per model the ms of every text, by round: `tokenise`, with the tokenizer in its folder, and `total`, from the
    string to logits. Each text is read once before.
    """
    for process, folder, max_length in zip(processes, folders, max_lengths, strict=True):
        process.ask("open")
        process.ask("read", folder=folder, texts=texts, max_length=max_length)
        process.ask("read_burst", which=list(range(len(texts))), settle_seconds=0, min_seconds=0, min_count=1)
    answers = _in_rounds(processes, "read_burst", len(texts), rule)
    return [
        {part: [_ms([*forth[part], *back[part]]) for forth, back in rounds] for part in ("tokenise", "total")}
        for rounds in answers
    ]


def race(measure: Callable[[Sequence[int]], list[Timed]], models: int, rule: Rule) -> list[Timed]:
    """Runs until the control agrees with itself as closely as `rule` asks: per model all its rounds together.

    Two processes with one and the same file differ by some percent for as long as they live: by chance, and by the
    order they were started in. So a run starts all of them anew, twice, the second time in reverse.

    Args:
        measure: starts the models with these numbers, in this order, and times them.
        models: how many there are; the last one is the control, the first one once more.
        rule: when to end.
    """
    order = range(models)
    sets: list[list[Timed]] = []
    while True:
        sets += [measure(order), measure(order[::-1])[::-1]]
        timed = [_joined(one) for one in zip(*sets, strict=True)]
        runs, rest = len(sets) // 2, at_rest(ratio(timed[0].rounds, timed[-1].rounds), rule.noise)
        if runs >= rule.max_runs or (runs >= rule.runs and rest):
            return timed


def at_rest(control: Mapping[str, Any], noise: float) -> bool:
    """Whether the interval of a ratio reaches no farther than `noise` from its median, as a share of it."""
    low, high = control["interval"]
    return bool(max(high - control["median"], control["median"] - low) <= noise * control["median"])


def _in_rounds(processes: Sequence[Process], question: str, batches: int, rule: Rule) -> list[list[tuple[Any, Any]]]:
    """Per process its two answers of every round: a round goes through all processes forth and back.

    So a drift of the machine (heat, a neighbour) falls on each alike, and each comes as often right after itself.

    Every n-th batch is a round's share, so that each has short and long ones; where there are fewer batches than
    rounds, the shares come round again.
    """
    count = min(rule.rounds, batches)
    answers: list[list[tuple[Any, Any]]] = [[] for _ in processes]
    for turn in range(rule.rounds):
        share = list(range(turn % count, batches, count))
        forth = [process.ask(question, which=share, **rule.burst) for process in processes]
        back = [process.ask(question, which=share, **rule.burst) for process in reversed(processes)]
        for own, pair in zip(answers, zip(forth, reversed(back), strict=True), strict=True):
            own.append(pair)
    return answers


def _joined(runs: Sequence[Timed]) -> Timed:
    """What several sets of processes say of a model: all rounds, the first warm-up, of the rest the median."""
    return Timed(
        load=median(run.load for run in runs),
        first=median(run.first for run in runs),
        warmup=runs[0].warmup,
        rounds=[calls for run in runs for calls in run.rounds],
    )


def _ms(durations: Sequence[int]) -> list[float]:
    return [duration / 1e6 for duration in durations]


def _record(timed: Timed, first: Timed, control: Timed) -> dict[str, Any]:
    return {
        **summary(timed.rounds),
        "first_call_ms": timed.first,
        "warmup_calls": len(timed.warmup),
        "warmup_ms": sum(timed.warmup),
        "times_as_fast": ratio(first.rounds, timed.rounds),
        "control": ratio(first.rounds, control.rounds),
    }
