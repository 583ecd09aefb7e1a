"""What a report reads from the records that `bench` gives, and which of them may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theseus_plugin.measure.inputs import parse_shape
from theseus_plugin.metric_scale import Scale, scale

Record = Mapping[str, Any]
"""One of the `models` that `bench` gives."""
TASK = "task"
"""Stands for a shape where the task's own examples were timed, one at a time."""
RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch-eager": "PyTorch, eager", "torch-compiled": "PyTorch, compiled"}


def is_ok(record: Record) -> bool:
    """Whether the model could be measured."""
    return bool(record.get("status", "ok") == "ok")


def comparable(first: Record, record: Record) -> bool:
    """Whether both are in order and were timed on the same device with as many threads and cores."""
    alike = ("device", "threads", "cores")
    ours, theirs = (r.get("latency", {}) for r in (first, record))
    return is_ok(first) and is_ok(record) and all(ours.get(key) == theirs.get(key) for key in alike)


def metrics(records: Sequence[Record]) -> list[str]:
    """Names of all metrics, in the order met."""
    return list(dict.fromkeys(name for r in records for name in r.get("accuracy", {}).get("metrics", {})))


def score(record: Record, metric: str) -> float | None:
    """The value of a metric, None where it was not measured."""
    value: float | None = record.get("accuracy", {}).get("metrics", {}).get(metric)
    return value


def unpaired(record: Record) -> str | None:
    """Why a model's score does not compare with the first one's, if it was asked about other examples."""
    why: str | None = record.get("accuracy", {}).get("unpaired")
    return why


def metric_scale(record: Record, metric: str) -> Scale:
    """How a metric of a record is shown and compared."""
    return scale(record.get("accuracy", {}), metric)


def shapes(records: Sequence[Record]) -> list[str]:
    """All shapes timed, in the order met."""
    return list(dict.fromkeys(shape for r in records for shape in r.get("latency", {}).get("shapes", {})))


def timed(record: Record, shape: str) -> Mapping[str, Any] | None:
    """What was timed at a shape, or on the task's own examples; None where nothing was."""
    latency = record.get("latency", {})
    found: Mapping[str, Any] | None = latency.get(TASK) if shape == TASK else latency.get("shapes", {}).get(shape)
    return found


def reference(records: Sequence[Record]) -> str | None:
    """The one place where models are ranked by latency.

    The task's own examples if the first model was timed on them, because nothing is closer to the work the model is
    for; else the shape with the most tokens. None if the first model was not timed.
    """
    if not records:
        return None
    if timed(records[0], TASK):
        return TASK
    return max(shapes(records[:1]), key=tokens, default=None)


def where(shape: str) -> str:
    """A shape in words that follow a time."""
    return "on the task's own examples, one at a time" if shape == TASK else f"at {named(shape)}"


def named(shape: str) -> str:
    """A shape as a name, for where little stands around it."""
    if shape == TASK:
        return "own examples"
    return shape if parse_shape(shape)[1] else f"batch of {shape}"


def tokens(shape: str) -> tuple[int, int]:
    """What shapes are ordered by: how many tokens one has, then its batch size."""
    batch, length = parse_shape(shape)
    return batch * (length or 0), batch
