"""Accuracy of the very file that is timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from theseus_plugin.contract import Evaluator
from theseus_plugin.cores import usable_cores
from theseus_plugin.measure.progress import progress
from theseus_plugin.validation import Options

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model


class AccuracyConfig(Options):
    """Options of `accuracy`."""

    batch_size: int = Field(32, ge=1, description="examples per batch; changes the speed, not the result")
    threads: int | None = Field(None, ge=1, description="threads; all usable cores by default")


class Accuracy(Evaluator):
    """The task's metrics on its validation split, for each model in a process of its own."""

    name = "accuracy"
    summary = "The task's metrics on its validation examples, from the very file that is timed"
    Config = AccuracyConfig
    config: AccuracyConfig

    def __init__(self, config: AccuracyConfig) -> None:
        self.config = config

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `metrics`, the `metric` the task goes by, `examples`, `truncated`, `file`, `sha256`.

        Raises:
            UserError: a path that is no model, what the task refuses, or a model that cannot be run.
        """
        from theseus_plugin.measure.models import resolve

        return [self._score(model, task) for model in [resolve(name) for name in models]]

    def _score(self, model: Model, task: Task) -> dict[str, Any]:
        import numpy as np

        from theseus_plugin.measure.child import run_child

        data = task.load(str(model.folder), splits=("validation",))
        examples = data.splits["validation"]
        # batches of similar length waste little on padding; the longest first, so that memory fails early
        order = sorted(range(len(examples)), key=lambda i: -len(examples[i]["input_ids"]))
        size = self.config.batch_size
        batches = [data.collate([examples[i] for i in order[at : at + size]]) for at in range(0, len(order), size)]
        labels = np.concatenate([batch.pop("labels") for batch in batches])
        threads = self.config.threads or usable_cores()
        job = model.job("predict", task.auto_class, threads)
        arrays = {f"{n}.{name}": array for n, batch in enumerate(batches) for name, array in batch.items()}
        with progress(f"accuracy of {model.name}", len(batches)) as tick:
            _, stored = run_child(job, arrays, threads, tick)
        logits = np.concatenate([stored[str(n)] for n in range(len(batches))])
        back = np.argsort(order)
        return {
            "metrics": data.score(logits[back], labels[back]),
            "metric": data.metric,
            "examples": len(examples),
            "truncated": data.truncated.get("validation", 0),
            **model.facts(),
        }
