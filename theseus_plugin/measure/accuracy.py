"""Accuracy of the very file that is timed."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from theseus_plugin.console import progress
from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError, reason
from theseus_plugin.measure.placement import Placed

if TYPE_CHECKING:
    import numpy as np

    from theseus_plugin.contract import Task, TaskData
    from theseus_plugin.measure.alike import Asked
    from theseus_plugin.measure.models import Model
    from theseus_plugin.vocabulary import Batch


class AccuracyConfig(Placed):
    """Options of `accuracy`."""

    batch_size: int = Field(32, ge=1, le=2**20, description="examples per batch; changes the speed, hardly the result")


class Accuracy(Evaluator):
    """The task's metrics on its validation split, for each model in a process of its own."""

    name = "accuracy"
    summary = "The task's metrics on its validation examples, from the very file that is timed"
    Config = AccuracyConfig
    config: AccuracyConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `metrics` with their `intervals`, their `difference` from the first model's (value and interval,
        both models judged on the same resampled examples; none, and the reason as `unpaired`, where a model is asked
        about other examples than the first), the `metric` the task goes by, those of which
        `lower_is_better`, `examples`, `truncated`, `device`, `threads`, `file`, `sha256`. A metric that cannot be
        judged on any resample has no interval.

        Raises:
            UserError: a path that is no model or not for this device, what the task refuses, a model that cannot be
                run, whose head does not fit the task, or whose logits or metrics are not finite.
        """
        from theseus_plugin.measure.placement import admitted

        scored = [self._score(model, task) for model in admitted(models, self.config)]
        return [self._record(one, scored[0]) for one in scored]

    def _score(self, model: Model, task: Task) -> _Scored:
        import numpy as np

        from theseus_plugin.measure.alike import Asked, marks
        from theseus_plugin.measure.child import opened
        from theseus_plugin.plugins.task_data import load_data
        from theseus_plugin.predict import predict

        data = load_data(task, str(model.folder), splits=("validation",))
        examples = data.splits["validation"]
        size = self.config.batch_size
        with (
            progress(f"accuracy of {model.name}", -(-len(examples) // size)) as tick,
            opened(model, task.auto_class, self.config) as child,
        ):
            if data.reduce is not None:
                child.ask("reduce", code=np.frombuffer(pickle.dumps(data.reduce), dtype=np.uint8))

            def answer(batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
                finite, rows, answers, width = child.ask("predict", batch=batch, labels=labels)
                _refuse_other_head(model, width, data)
                tick()
                return finite, rows, answers, marks(batch, labels, data)

            logits, labels, asked = predict(model.name, answer, examples, data.collate, size)
        return _Scored(model, data, logits, labels, Asked(asked, data.texts.get("validation")))

    def _record(self, scored: _Scored, first: _Scored) -> dict[str, Any]:
        from theseus_plugin.measure.alike import unlike
        from theseus_plugin.measure.statistics import intervals, paired_intervals

        why = unlike(first.asked, scored.asked)
        paired = {} if why else paired_intervals(scored.resampled, first.resampled)
        return {
            "metrics": scored.metrics,
            "intervals": intervals(scored.resampled),
            "difference": {
                name: {"value": scored.metrics[name] - first.metrics[name], "interval": between}
                for name, between in paired.items()
            },
            **({"unpaired": why} if why else {}),
            "metric": scored.data.metric,
            "lower_is_better": sorted(scored.data.lower_is_better),
            "examples": len(scored.labels),
            "truncated": scored.data.truncated.get("validation", 0),
            "device": self.config.device,
            "threads": self.config.thread_count,
            **scored.model.facts(),
        }


@dataclass(frozen=True)
class _Scored:
    """A model's logits, reduced, in the order of the examples; labels as its own head numbers them."""

    model: Model
    data: TaskData
    logits: np.ndarray
    labels: np.ndarray
    asked: Asked

    @cached_property
    def metrics(self) -> dict[str, float]:
        try:
            metrics = self.data.score(self.logits, self.labels)
        except ValueError as error:
            raise UserError(
                f"{self.model.name}: its logits cannot be scored ({reason(error)}): does the task fit the model?"
            ) from error
        wrong = next((name for name, value in metrics.items() if not math.isfinite(value)), None)
        if wrong is not None:
            raise UserError(f"{self.model.name}: its {wrong} is {metrics[wrong]}, no number: name another metric")
        return metrics

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        from theseus_plugin.measure.statistics import resampled_scores
        from theseus_plugin.plugins.task_data import unchecked

        return resampled_scores(unchecked(self.data.score), self.logits, self.labels)


def _refuse_other_head(model: Model, width: int, data: TaskData) -> None:
    wanted = data.head.get("num_labels")
    if wanted is not None and width != wanted:
        raise UserError(
            f"{model.name}: its head gives {width} logits, the task has {wanted} labels:"
            " name a model that was fine-tuned for this task, or another task"
        )
