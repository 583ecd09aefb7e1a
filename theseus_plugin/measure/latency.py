"""Latency of models, compared fairly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from theseus_plugin.contract import Evaluator
from theseus_plugin.cores import usable_cores
from theseus_plugin.measure.progress import progress
from theseus_plugin.validation import Options

if TYPE_CHECKING:
    import numpy as np

    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model


class LatencyConfig(Options):
    """Options of `latency`. Two 6-layer models with the defaults take about a minute on two cores."""

    shapes: tuple[str, ...] = Field(
        ("1x16", "1x64", "1x128", "32x64"), min_length=1, description="what is timed, as BATCHxLENGTH"
    )
    threads: int | None = Field(None, ge=1, description="threads; all usable cores by default")
    rounds: int = Field(5, ge=1, description="how often every model is measured, in alternating order")
    min_seconds: float = Field(1.0, ge=0, description="at least this time in calls per shape and round")
    min_count: int = Field(5, ge=1, description="at least this many calls per shape and round")
    warmup_seconds: float = Field(0.3, ge=0, description="calls before those, not counted")

    @field_validator("shapes")
    @classmethod
    def _well_written(cls, shapes: tuple[str, ...]) -> tuple[str, ...]:
        from theseus_plugin.measure.inputs import parse_shape

        for shape in shapes:
            parse_shape(shape)
        return tuple(dict.fromkeys(shapes))


class Latency(Evaluator):
    """Time per call, each model and round in a process of its own, one process at a time.

    The rounds go through the models forwards and backwards in turn, and speeds are compared within a round.
    The tokens are real ones of the task, without padding; tokenisation is not timed.
    """

    name = "latency"
    summary = "Milliseconds per call by batch x length, and how many times as fast as the first model"
    Config = LatencyConfig
    config: LatencyConfig

    def __init__(self, config: LatencyConfig) -> None:
        self.config = config

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `shapes` with the statistics of each, `load_ms`, `threads`, `machine`, `file`, `sha256`.

        Of each shape: what `statistics.summary` says, `first_call_ms`, how many `times_as_fast` as the first
        model, and `noise`, the spread of the first model's own rounds: a smaller difference means nothing.

        Raises:
            UserError: a path that is no model, a shape too long for one, what the task refuses, or a model
                that cannot be run.
        """
        from theseus_plugin.measure.inputs import refuse_too_long
        from theseus_plugin.measure.models import resolve
        from theseus_plugin.measure.timing import schedule
        from theseus_plugin.measure.watch import Watch

        found = [resolve(name) for name in models]
        for model in found:
            refuse_too_long(model.folder, self.config.shapes)
        arrays = [self._inputs(model, task) for model in found]
        runs: list[list[tuple[dict[str, Any], dict[str, np.ndarray]]]] = [[] for _ in found]
        watch = Watch()
        steps = len(found) * self.config.rounds * len(self.config.shapes)
        with progress("latency", steps) as tick:
            for at in schedule(len(found), self.config.rounds):
                runs[at].append(self._run(found[at], arrays[at], task.auto_class, tick))
        machine = watch.record()
        return [self._record(model, run, runs[0], machine) for model, run in zip(found, runs, strict=True)]

    @property
    def _threads(self) -> int:
        return self.config.threads or usable_cores()

    def _inputs(self, model: Model, task: Task) -> dict[str, np.ndarray]:
        from theseus_plugin.measure.inputs import fill

        examples = task.load(str(model.folder), splits=("validation",)).splits["validation"]
        return {
            f"{shape}.{name}": array for shape in self.config.shapes for name, array in fill(examples, shape).items()
        }

    def _run(self, model: Model, arrays: dict[str, np.ndarray], auto_class: str, tick: Any) -> Any:
        from theseus_plugin.measure.child import run_child

        rule = self.config.model_dump(include={"min_seconds", "min_count", "warmup_seconds"})
        job = model.job("clock", auto_class, self._threads) | {"rule": rule}
        return run_child(job, arrays, self._threads, tick)

    def _record(self, model: Model, runs: Any, first: Any, machine: dict[str, Any]) -> dict[str, Any]:
        from statistics import median

        from theseus_plugin.measure.statistics import summary, times_as_fast

        shapes = {}
        for shape in self.config.shapes:
            ours = [calls[shape] / 1e6 for _, calls in runs]
            theirs = [calls[shape] / 1e6 for _, calls in first]
            shapes[shape] = {
                **summary(ours),
                "first_call_ms": median(record["first_ns"][shape] / 1e6 for record, _ in runs),
                "times_as_fast": times_as_fast(theirs, ours),
                "noise": summary(theirs)["spread"],
            }
        return {
            "shapes": shapes,
            "load_ms": median(record["load_ms"] for record, _ in runs),
            "threads": self._threads,
            "cores": usable_cores(),
            "rounds": self.config.rounds,
            "machine": machine,
            **model.facts(),
        }
