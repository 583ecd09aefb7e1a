"""The last stage of an export: fewer bits, as far as the metric allows."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.errors import UserError
from theseus_plugin.finite import NotFinite, finite_rows
from theseus_plugin.metric_scale import Scale
from theseus_plugin.onnx import fp16, model_files, parity, quantize
from theseus_plugin.onnx.gate import Gate
from theseus_plugin.onnx.session import Session
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.predict import predict
from theseus_plugin.vocabulary import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from theseus_plugin.contract import Task, TaskData
    from theseus_plugin.onnx.config import ExportConfig
    from theseus_plugin.onnx.gate import Lower
    from theseus_plugin.onnx.stages import Stages

CALIBRATION_EXAMPLES = 256


def lower_precision(stages: Stages, checkpoint: str, task: Task, data: TaskData, config: ExportConfig) -> None:
    """Write the file of `stages` anew in the precision of `config`, and record it with its gate and its parity.

    Raises:
        UserError: it costs more of the metric than `config` allows, or there is nothing to lower.
    """
    target, source = stages.file, stages.file.with_name("fp32.onnx")
    nodes, lower, fixed = _lower(model_files.load_graph(target).graph, checkpoint, task, stages, config)
    model_files.move(target, source)

    def logits(file: Path) -> np.ndarray:
        session = Session(file)
        return np.concatenate([session.run(batch).ravel() for batch in stages.reference.batches])

    def score(file: Path) -> float:
        session, name = Session(file), f"{checkpoint} in {config.precision if file == target else 'fp32'}"

        def answer(batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
            given = session.run(batch)
            return finite_rows(given, batch), *data.reduced(given, labels)

        given, labels = predict(name, answer, data.splits["validation"], data.collate)
        parity.compare(session.run, stages.reference)  # also the examples alone, and the longest one
        value = data.score(given, labels)[data.metric]
        if not math.isfinite(value):
            raise NotFinite(f"{name}: its {data.metric} is {value}, no number")
        return value

    scale = Scale(data.metric, data.metric in data.lower_is_better)
    gate = Gate(config.precision, lower, score, logits, config.max_drop, scale)
    passed = gate.apply(source, target, nodes, [*config.leave_out, *(set(nodes) & set(fixed))])
    model_files.remove(source)
    agreed = parity.compare(Session(target).run, stages.reference)
    stages.keep(
        config.precision,
        agreed,
        gate={"metric": data.metric, "lower_is_better": sorted(data.lower_is_better), **passed},
    )


def _lower(
    graph: Any, checkpoint: str, task: Task, stages: Stages, config: ExportConfig
) -> tuple[Sequence[str], Lower, Sequence[str]]:
    """The nodes that can be lowered, what does it, and nodes that it leaves in fp32 in any case."""
    if config.precision == "fp16":
        floats = fp16.floats(stages.file)
        names = [*floats, *(output.name for output in graph.output)]
        fixed = fp16.beyond(stages.file, names, stages.reference.batches)
        return fp16.halvable(graph), partial(fp16.to_fp16, floats=floats, fixed=fixed), fixed
    nodes = quantize.quantizable(graph)
    if config.precision == "int8-dynamic":
        return nodes, quantize.quantize_dynamic, []
    # once for all nodes: which of them are lowered changes nothing in the tensors of the graph they come from
    batches = _calibration(checkpoint, task, list(stages.reference.batches[0]))
    tensors = quantize.calibrated(graph, nodes)
    ranges = quantize.input_ranges(stages.file, tensors, batches) if tensors else {}
    return nodes, partial(quantize.quantize_static, ranges=ranges), []


def _calibration(checkpoint: str, task: Task, inputs: Sequence[str]) -> list[Batch]:
    """Training examples of every length; validation examples where the task has no others."""
    try:
        data, split = load_data(task, checkpoint, splits=("train",)), "train"
    except UserError:
        data, split = load_data(task, checkpoint, splits=("validation",)), "validation"
    chosen = parity.spread(data.splits[split], CALIBRATION_EXAMPLES)
    batches = parity.batches(chosen, data.collate)
    return [{name: batch[name] for name in inputs} for batch in batches]
