"""All evaluators on all models, as one record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from theseus_plugin.contract import Evaluator, Task
from theseus_plugin.errors import UserError
from theseus_plugin.plugins.defects import check_measured


def bench(models: Sequence[str], task: Task, evaluators: Sequence[Evaluator]) -> dict[str, Any]:
    """Measure `models` with `evaluators`, one after the other.

    Returns:
        `models`: per model its name as `model`, its `runtime` and `precision`, and each evaluator's record under the
        evaluator's name; `environment`: the machine, the versions and the date; `seconds`: how long it took;
        `status`: `ok`. All of it is JSON.

    Raises:
        UserError: no model, a path that is none, or what an evaluator refuses; nothing is returned then.
    """
    from theseus_plugin.measure.models import resolve
    from theseus_plugin.provenance import environment

    if not models:
        raise UserError("no model to measure: name ONNX models or checkpoint folders")
    start, surroundings = time.monotonic(), environment()
    rows: list[dict[str, Any]] = [
        {"model": model.name, "runtime": model.runtime, "precision": model.precision} for model in map(resolve, models)
    ]
    for evaluator in evaluators:
        for row, record in zip(rows, check_measured(evaluator, evaluator.evaluate(models, task), models), strict=True):
            row[evaluator.name] = record
    return {"status": "ok", "models": rows, "environment": surroundings, "seconds": time.monotonic() - start}


@contextmanager
def kept_in(file: str | Path | None, models: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """A list whose records are appended to a JSON Lines file, one a line; what ends the block badly becomes one too.

    Its `status` is then `failed`, or `cancelled` by Ctrl-C, and it names the `models` and the `error`. Nothing that
    stands in the file is changed. None: nothing is kept.

    Raises:
        UserError: the file cannot be written; told at the beginning.
    """
    from theseus_plugin.provenance import environment

    records: list[dict[str, Any]] = []
    _append(file, records, models)
    try:
        yield records
    except (Exception, KeyboardInterrupt) as error:
        status = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
        failed = [{"model": name} for name in models]
        records.append(
            {"status": status, "error": str(error) or status, "models": failed, "environment": environment()}
        )
        raise
    finally:
        _append(file, records, models)


def _append(file: str | Path | None, records: Sequence[Mapping[str, Any]], models: Sequence[str]) -> None:
    if file is None:
        return
    from theseus_plugin.files import append_lines
    from theseus_plugin.measure.models import split_name
    from theseus_plugin.writing.outputs import refuse_file

    refuse_file(file, [split_name(model)[0] for model in models])
    append_lines(file, [json.dumps(record, allow_nan=False) for record in records])
