"""From a checkpoint folder to an ONNX folder that is known to give the same logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from theseus_plugin.checkpoint import load_processor, load_to_run
from theseus_plugin.contract import GraphPlan, as_recipe
from theseus_plugin.errors import UserError, reason
from theseus_plugin.files import complete_folder, refuse_existing, sha256, write_json
from theseus_plugin.formats import graph_plan, with_stores
from theseus_plugin.loading.pairing import write_config
from theseus_plugin.loading.weights import weights_files
from theseus_plugin.onnx import model_files, parity
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.convert import EXPORTERS, convert, model_inputs
from theseus_plugin.onnx.precision import lower_precision
from theseus_plugin.onnx.stage_list import Wanted, make_faster
from theseus_plugin.onnx.stages import Stages, name_nodes, operators, rewrite
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.records import OwnFormat, own_format, trained_by
from theseus_plugin.vocabulary import Batch

if TYPE_CHECKING:
    from theseus_plugin.contract import Task

MODEL = "model.onnx"
_QUOTED = 200
"""Characters of what another library says."""
PACKAGES = ("theseus-plugin", "torch", "transformers", "onnx", "onnxruntime")


def export(checkpoint: str, output: str, task: Task, config: ExportConfig | None = None) -> dict[str, Any]:
    """Export a checkpoint to the folder `output`, complete or not at all.

    The stages: the graph as the exporter writes it; fused; the last block on the first token alone, if the head
    reads no other, for CPUs with its query; arranged for the CPU; in a lower precision. Each is compared with the
    checkpoint on real examples of every length. Those that only make it faster are left out where they do not fit
    the architecture. A method whose folders are in its own format may add stages, or write the graph itself.

    The folder holds `model.onnx` (inputs as the task names them, batch and length dynamic; output `logits`), with
    its weights in `model.onnx.data` if they exceed 2 GiB, `config.json`, the tokenizer or image processor, and
    `export.json`, which is the record returned.

    Args:
        checkpoint: a folder with `config.json`, safetensors weights and a tokenizer or image processor.
        output: the folder to write; must not exist.
        task: its validation examples are those that parity is checked on, and that the lower precision must score on.
        config: see `ExportConfig`; by default fp32, or what a folder in a method's own format computes in.

    Raises:
        UserError: `output` exists, no checkpoint folder, what the task refuses, no exporter knows the architecture,
            parity failed, or the lower precision costs too much.
    """
    config = config or ExportConfig()
    refuse_existing(output)
    weights, own, plan = weights_files(checkpoint, task.auto_class), own_format(checkpoint), GraphPlan()
    if own is not None:
        weights, plan = with_stores(weights), graph_plan(checkpoint, own)
        config = _of_the_method(config, plan)
    model = load_to_run(checkpoint, task.auto_class, attn_implementation="eager")
    model.config.use_cache = False  # a decoder would return keys and values too
    data = load_data(task, checkpoint, splits=("validation",))
    numbers = parity.places(data.splits["validation"], config.examples)
    chosen = [data.splits["validation"][number] for number in numbers]
    inputs = model_inputs(model, chosen[0])
    reference = parity.reference(model, chosen, data, inputs, numbers)
    with complete_folder(output) as folder:
        stages = Stages(folder / MODEL, reference, config.tolerance)
        # traced on the shortest example: a length that the exporter bakes in shows on all others
        shortest = reference.batches[reference.padded]
        if own is not None and plan.write is not None:
            write = plan.write
            stages.require("written", lambda file: write(model, shortest, file, config.opset))
            exporter = own.method
        else:
            exporter = _convert(stages, model, shortest, config.opset)
            make_faster(stages, Wanted(model.config, config))
        for stage in plan.stages:
            stages.insist(stage.name, stage.change)
        rewrite(name_nodes)(stages.file, stages.file)
        if config.precision != "fp32":
            lower_precision(stages, checkpoint, task, data, config)
        record = {
            "task": as_recipe(task),
            "source": {"checkpoint": checkpoint, "sha256": sha256(*weights)},
            **config.model_dump(mode="json"),
            **_computed_in(config, plan, own),
            "opset": stages.opset,
            "exporter": exporter,
            "inputs": inputs,
            "nodes": operators(stages.file),
            "stages": stages.records,
            "parity": next(stage["parity"] for stage in reversed(stages.records) if stage["applied"]),
            "versions": {name: version(name) for name in PACKAGES},
        }
        model_files.stamp(stages.file, _metadata(record, checkpoint))
        record["file"] = {
            "name": MODEL,
            "sha256": sha256(*model_files.files(stages.file)),
            "bytes": model_files.size(stages.file),
        }
        write_config(checkpoint, model.config, folder)
        load_processor(checkpoint, model).save_pretrained(folder)
        write_json(folder / "export.json", record)
    return record


def _convert(stages: Stages, model: Any, batch: Batch, opset: int) -> str:
    """The first stage, by the first exporter whose graph has the checkpoint's logits; gives the exporter's name.

    Raises:
        UserError: there is none.
    """
    reasons = []
    for exporter in EXPORTERS:
        try:
            stages.require("exported", partial(convert, model, batch, opset=opset, exporters=(exporter,)))
        except UserError as error:
            model_files.remove(stages.file)
            reasons.append(error)
        else:
            return exporter
    first = reasons[0]
    if first.__cause__ is None:
        raise first
    raise UserError(  # what ONNX Runtime says of a graph that its user never sees
        f"{type(model).__name__} cannot be exported to ONNX, its graph fails for other lengths "
        f"({reason(first)[:_QUOTED]}): choose a model of another architecture"
    ) from first


def _of_the_method(config: ExportConfig, plan: GraphPlan) -> ExportConfig:
    """With the method's tolerance where the user gives none."""
    if plan.tolerance is None or "tolerance" in config.model_fields_set:
        return config
    return config.model_copy(update={"tolerance": plan.tolerance})


def _computed_in(config: ExportConfig, plan: GraphPlan, own: OwnFormat | None) -> dict[str, Any]:
    """Of a folder in a method's own format: the method, and the precision, its own one if none was asked for."""
    if own is None:
        return {}
    precision = (plan.precision or own.precision) if config.precision == "fp32" else config.precision
    return {"precision": precision, "format": {"method": own.method, "precision": own.precision}}


def _metadata(record: Mapping[str, Any], checkpoint: str) -> dict[str, str]:
    """What the ONNX file says of its own origin."""
    return {
        "version": record["versions"]["theseus-plugin"],
        "source": record["source"]["sha256"],
        "recipe": json.dumps(trained_by(checkpoint) or {"task": record["task"]}),
        "precision": record["precision"],
        "opset": str(record["opset"]),
        "exporter": record["exporter"],
        **({"method": record["format"]["method"]} if "format" in record else {}),
    }
