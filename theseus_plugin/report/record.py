"""What `bench` measured: its record, read once into objects. Any part of it may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath
from typing import Any

from theseus_plugin.metric_scale import Scale, scale
from theseus_plugin.report.timing import OWN_EXAMPLES, Interval, Latency, Shape, Timing, latency_of, pair, tokens

Record = Mapping[str, Any]
"""One of the `models` that `bench` gives, as it stands in JSON."""
RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch-eager": "PyTorch, eager", "torch-compiled": "PyTorch, compiled"}
_OURS = ("model", "runtime", "precision", "status", "error", "size", "memory", "accuracy", "latency")
"""What is read by name; everything else is what an evaluator gave that somebody else wrote."""


@dataclass(frozen=True)
class Difference:
    """Of a score to that of the first model, on the same examples."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Score:
    """What a model reaches in one metric."""

    value: float
    scale: Scale
    interval: Interval | None
    difference: Difference | None


@dataclass(frozen=True)
class Accuracy:
    """The scores of a model on the validation examples."""

    metric: str
    """The one that the task goes by; empty where it is not told."""
    scores: Mapping[str, Score]
    examples: int | None
    truncated: int
    resampled: bool
    """Whether intervals were looked for."""
    unpaired: str | None
    """Why its examples are not those of the first model; None where they are."""


@dataclass(frozen=True)
class Size:
    """How large a model is; None is what was not found."""

    bytes: int | None
    parameters: int | None
    blocks: int | None
    """Of all stacks."""
    blocks_by_stack: Mapping[str, int]
    """Of a model with two stacks."""


@dataclass(frozen=True)
class Memory:
    """The main memory that loading and calling a model took."""

    peak_bytes: int | None
    shape: str | None
    """What was called."""


@dataclass(frozen=True)
class Model:
    """A model, and whatever was measured of it."""

    name: str
    """What tells it from the others."""
    status: str
    error: str | None
    runtime: str | None
    """In words."""
    precision: str | None
    size: Size
    memory: Memory | None
    accuracy: Accuracy | None
    latency: Latency | None
    others: Mapping[str, Mapping[str, int | float | str]]
    """By evaluator that is not ours, the numbers and texts that it found."""
    files: Sequence[tuple[str, str]]
    """Each file that an evaluator measured, with its SHA-256."""
    comparable: bool
    """Whether it and the first model are in order and were timed on the same device, with as many threads and cores."""

    @property
    def ok(self) -> bool:
        """Whether it could be measured."""
        return self.status == "ok"

    @property
    def scores(self) -> Mapping[str, Score]:
        """By metric; none where none was measured."""
        return self.accuracy.scores if self.accuracy else {}

    @property
    def timings(self) -> Mapping[Shape, Timing]:
        """By shape; none where none was timed."""
        return self.latency.timings if self.latency else {}

    @property
    def unpaired(self) -> str | None:
        """Why its scores do not compare with those of the first model; None where they do."""
        return self.accuracy.unpaired if self.accuracy else None


@dataclass(frozen=True)
class Bench:
    """What was measured of several models; the others are compared with the first."""

    models: Sequence[Model]

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics, in the order met."""
        return list(dict.fromkeys(metric for model in self.models for metric in model.scores))

    @property
    def shapes(self) -> list[Shape]:
        """All shapes timed but the task's own examples, in the order met."""
        met = dict.fromkeys(shape for model in self.models for shape in model.timings)
        return [shape for shape in met if shape != OWN_EXAMPLES]

    @property
    def reference(self) -> Shape | None:
        """The one place where models are ranked by latency.

        The task's own examples if the first model was timed on them, because nothing is closer to the work the model is
        for; else the shape with the most tokens. None if the first model was not timed.
        """
        first = self.models[0].timings if self.models else {}
        return OWN_EXAMPLES if OWN_EXAMPLES in first else max(first, key=lambda shape: tokens(shape.text), default=None)


def bench_of(records: Sequence[Record]) -> Bench:
    """What stands in the `models` that `bench` gives."""
    named = enumerate(zip(records, _names(records), strict=True))
    return Bench([_model_of(record, name, records[0] if place else None) for place, (record, name) in named])


def _model_of(record: Record, name: str, first: Record | None) -> Model:
    """Of a record beside the first one, which is None for the first itself."""
    parts = {key: part for key, part in record.items() if isinstance(part, Mapping)}
    size, memory = parts.get("size", {}), parts.get("memory")
    conditions = _conditions(record)
    comparable = conditions is not None and (first is None or conditions == _conditions(first))
    return Model(
        name=name,
        status=record.get("status", "ok"),
        error=record.get("error"),
        runtime=_runtime(record),
        precision=record.get("precision"),
        size=Size(size.get("bytes"), size.get("parameters"), size.get("blocks"), size.get("blocks_by_stack", {})),
        memory=None if memory is None else Memory(memory.get("peak_bytes"), memory.get("shape")),
        accuracy=_accuracy_of(parts["accuracy"]) if "accuracy" in parts else None,
        latency=latency_of(parts["latency"], compared=first is not None) if "latency" in parts else None,
        others={key: _plain(part) for key, part in parts.items() if key not in _OURS},
        files=[(part.get("file", key), part["sha256"]) for key, part in parts.items() if "sha256" in part],
        comparable=comparable,
    )


def _accuracy_of(found: Mapping[str, Any]) -> Accuracy:
    scores = {}
    for name, value in found.get("metrics", {}).items():
        apart = found.get("difference", {}).get(name)
        difference = Difference(apart["value"], (apart["interval"][0], apart["interval"][1])) if apart else None
        scores[name] = Score(value, scale(found, name), pair(found.get("intervals", {}).get(name)), difference)
    return Accuracy(
        metric=found.get("metric", ""),
        scores=scores,
        examples=found.get("examples"),
        truncated=found.get("truncated", 0),
        resampled="intervals" in found,
        unpaired=found.get("unpaired"),
    )


def _names(records: Sequence[Record]) -> list[str]:
    """The paths without the folders that all of them begin or end with; equal ones get their runtime or a number."""
    names = _stripped([PurePath(record["model"]).parts for record in records])
    for notes in ([_runtime(r) or "" for r in records], [r.get("precision", "") for r in records]):
        names = _told_apart(names, notes)
    return _told_apart(names, [f"#{place}" for place in range(1, len(names) + 1)])


def _stripped(paths: Sequence[tuple[str, ...]]) -> list[str]:
    for _ in range(2):  # the common beginning, then, turned round, the common end
        alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
        common = min(sum(1 for _ in alike), max(0, min(map(len, paths), default=0) - 1))
        paths = [path[common:][::-1] for path in paths]
    return [str(PurePath(*path)) for path in paths]


def _told_apart(names: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Names with notes, where equal names have different ones."""
    pairs = list(zip(names, notes, strict=True))
    kinds = {name: {note for other, note in pairs if other == name} for name in names}
    return [f"{name} ({note})" if len(kinds[name]) > 1 and note else name for name, note in pairs]


def _runtime(record: Record) -> str | None:
    """What ran the model, in words."""
    name = record.get("runtime")
    return None if name is None else RUNTIMES.get(name, name)


def _conditions(record: Record) -> tuple[Any, ...] | None:
    """What has to be alike where times are compared; None of a model that could not be measured."""
    latency = record.get("latency", {})
    ok = record.get("status", "ok") == "ok"
    return tuple(latency.get(key) for key in ("device", "threads", "cores")) if ok else None


def _plain(found: Mapping[str, Any]) -> dict[str, int | float | str]:
    """The numbers and texts of what an evaluator gave."""
    return {k: v for k, v in found.items() if isinstance(v, int | float | str) and not isinstance(v, bool)}
