"""Latency of models, compared fairly."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from theseus_plugin.console import progress
from theseus_plugin.contract import Evaluator
from theseus_plugin.cores import usable_cores
from theseus_plugin.errors import UserError
from theseus_plugin.measure.placement import Placed

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.measure.inputs import Inputs
    from theseus_plugin.measure.models import Model


class LatencyConfig(Placed):
    """Options of `latency`. Two 6-layer models with the defaults take about two minutes on two cores."""

    shapes: tuple[str, ...] = Field(
        ("1x16", "1x64", "1x128", "32x64"),
        description="what is timed, as BATCHxLENGTH without padding, or BATCH: real examples, padded to the longest",
    )
    task_examples: int = Field(256, ge=0, le=2**20, description="real examples timed one at a time, unpadded; 0: none")
    seed: int = Field(0, ge=0, description="decides which examples these are")
    rounds: int = Field(
        5, ge=1, le=10_000, description="rounds, forth and back, by each set of processes; a run has two sets"
    )
    runs: int = Field(1, ge=1, le=1000, description="runs at least, each with processes of its own")
    max_runs: int = Field(3, ge=1, le=1000, description="runs at most, if the control stays noisy")
    noise: float = Field(
        0.01,
        gt=0,
        allow_inf_nan=False,
        description="runs end when the control's interval reaches no farther from its median, as a share",
    )
    settle_seconds: float = Field(0.03, ge=0, le=3600, description="calls that do not count before those of each burst")
    min_seconds: float = Field(0.1, ge=0, le=3600, description="at least this time in calls per shape and round")
    min_count: int = Field(2, ge=1, le=10**6, description="at least this many calls per shape and round")
    warmup_seconds: float = Field(3.0, ge=0, le=3600, description="calls before the rounds go on at most so long")
    spinning: bool | None = Field(
        None, description="whether idle threads spin; by default they do not, for several models are alive at a time"
    )

    @field_validator("shapes")
    @classmethod
    def _well_written(cls, shapes: tuple[str, ...]) -> tuple[str, ...]:
        from theseus_plugin.measure.inputs import parse_shape

        for shape in shapes:
            parse_shape(shape)
        return shapes


class Latency(Evaluator):
    """Time per call, each model and shape in a process of its own, started anew for each run.

    All models of a shape are alive together and measured in rounds, with the first one's file once more as a control.
    """

    name = "latency"
    summary = "Milliseconds per call by batch x length and on the task's own examples, compared with the first model"
    Config = LatencyConfig
    config: LatencyConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `shapes`, `task` and `end_to_end` with their statistics, `load_ms`, how and where it was
        measured (`device`, `threads`, `cores`, `spinning`, `machine`), `file`, `sha256`.

        Of each shape what `statistics.summary` says, `first_call_ms`, `warmup_calls`, `warmup_ms`, and the ratios
        `times_as_fast` as the first model and `control`. `task` is the same of some of the task's examples, one at a
        time; `end_to_end` is from their strings to logits, and left out where they are not texts. Examples that are not
        the same for every model, as blocks of a language model's tokens, are not timed: `unpaired` tells why.

        Raises:
            UserError: a path that is no model or not for this device, a shape too long for a model, what the task
                refuses, or a model that cannot be run.
        """
        from theseus_plugin.measure.inputs import Inputs
        from theseus_plugin.measure.machine import Watch
        from theseus_plugin.measure.placement import admitted
        from theseus_plugin.measure.rounds import Comparison, Rule

        config = self.config
        found = admitted(models, config)
        read = {model.folder: Inputs.of(task, model) for model in found}
        inputs = [read[model.folder] for model in found]
        shapes, *_ = [own.shapes(config.shapes, model.folder) for own, model in zip(inputs, found, strict=True)]
        chosen = inputs[0].sample(config.task_examples, config.seed) if config.task_examples else []
        has_texts = bool(chosen and inputs[0].data.texts)
        unpaired = _unpaired(found, inputs, shapes, chosen)
        own_examples = bool(chosen and not any(unpaired))
        if not shapes and not own_examples:
            why = next(filter(None, unpaired), "no shapes and no task_examples")
            raise UserError(f"latency: nothing to time ({why}): set shapes such as 1x64")
        spinning = bool(config.spinning)
        rule = Rule(
            rounds=config.rounds,
            runs=config.runs,
            max_runs=max(config.runs, config.max_runs),
            noise=config.noise,
            settle_seconds=config.settle_seconds,
            min_seconds=config.min_seconds,
            min_count=config.min_count,
            warmup_seconds=config.warmup_seconds,
        )
        watch = Watch()
        parts = len(shapes) + own_examples + has_texts
        with progress("latency", parts) as tick:
            compare = Comparison(found, inputs, task.auto_class, config, spinning, rule, tick)
            by_shape = {shape: compare.shape(shape) for shape in shapes}
            on_task = compare.examples(chosen) if own_examples else None
            from_texts = compare.texts(chosen) if has_texts else None
        machine = watch.record()
        return [
            {
                "device": config.device,
                "threads": config.thread_count,
                "cores": usable_cores(),
                "spinning": spinning,
                "load_ms": median(compare.loads[at]),
                "shapes": {shape: records[at] for shape, records in by_shape.items()},
                **({"task": on_task[at] | {"seed": config.seed}} if on_task else {}),
                **({"end_to_end": from_texts[at]} if from_texts else {}),
                **({"unpaired": unpaired[at]} if unpaired[at] else {}),
                "machine": machine,
                **model.facts(),
            }
            for at, model in enumerate(found)
        ]


def _unpaired(
    models: Sequence[Model], inputs: Sequence[Inputs], shapes: Sequence[str], chosen: Sequence[int]
) -> list[str | None]:
    """Per model why its examples are not those of the first one; None where they are, or none are timed.

    Raises:
        UserError: they are not, and a shape is made of examples.
    """
    from theseus_plugin.measure.inputs import parse_shape

    first = inputs[0]
    sizes = {shape: size for shape in shapes for size, length in [parse_shape(shape)] if length is None}
    numbers = sorted({*chosen, *(at for size in sizes.values() for at in first.drawn(size))})
    found = [own.unlike(first, numbers) if numbers and own is not first else None for own in inputs]
    for model, why in zip(models, found, strict=True):
        if why and sizes:
            raise UserError(
                f"{model.name}: shape {next(iter(sizes))} is made of examples, and these are not those of "
                f"{models[0].name} ({why}): set shapes as BATCHxLENGTH"
            )
    return found
