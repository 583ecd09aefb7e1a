"""Models timed side by side in processes of their own, and what is said of each against the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from theseus_plugin.measure.child import Child
from theseus_plugin.measure.devices import Placed
from theseus_plugin.measure.inputs import Inputs, parse_shape
from theseus_plugin.measure.interleaving import Rule, Timed, race, time_batches, time_texts
from theseus_plugin.measure.models import Model
from theseus_plugin.measure.runtimes import Batch
from theseus_plugin.measure.statistics import ratio, summary


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


def _record(timed: Timed, first: Timed, control: Timed) -> dict[str, Any]:
    return {
        **summary(timed.rounds),
        "first_call_ms": timed.first,
        "warmup_calls": len(timed.warmup),
        "warmup_ms": sum(timed.warmup),
        "times_as_fast": ratio(first.rounds, timed.rounds),
        "control": ratio(first.rounds, control.rounds),
    }
