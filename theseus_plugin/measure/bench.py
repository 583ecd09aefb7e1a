"""All evaluators on all models, as one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theseus_plugin.contract import Evaluator, Task
from theseus_plugin.errors import UserError


def bench(models: Sequence[str], task: Task, evaluators: Sequence[Evaluator]) -> dict[str, Any]:
    """Measure `models` with `evaluators`, one after the other.

    Returns:
        `models`: per model its name as `model`, its `runtime` and `precision`, and each evaluator's record
        under the evaluator's name; `environment`: the machine and the versions. All of it is JSON.

    Raises:
        UserError: no model, a path that is none, or what an evaluator refuses; nothing is returned then.
    """
    from theseus_plugin.measure.models import resolve
    from theseus_plugin.provenance import environment

    if not models:
        raise UserError("no model to measure: name ONNX models or checkpoint folders")
    rows: list[dict[str, Any]] = [
        {"model": model.name, "runtime": model.runtime, "precision": model.precision} for model in map(resolve, models)
    ]
    for evaluator in evaluators:
        for row, record in zip(rows, evaluator.evaluate(models, task), strict=True):
            row[evaluator.name] = record
    return {"models": rows, "environment": environment()}
