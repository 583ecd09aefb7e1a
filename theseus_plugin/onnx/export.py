"""From a checkpoint folder to an ONNX folder that is known to give the same logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from theseus_plugin.checkpoint import load_model, load_processor
from theseus_plugin.contract import as_recipe
from theseus_plugin.errors import UserError, reason
from theseus_plugin.files import complete_folder, refuse_existing, sha256, write_json
from theseus_plugin.loading.pairing import write_config
from theseus_plugin.loading.weights import weights_files
from theseus_plugin.onnx import fusion, model_files, parity
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.convert import EXPORTERS, convert, model_inputs
from theseus_plugin.onnx.cpu import suit_cpu
from theseus_plugin.onnx.first_query import keep_first_query
from theseus_plugin.onnx.first_token import keep_first_token
from theseus_plugin.onnx.precision import lower_precision
from theseus_plugin.onnx.stages import Stages, Write, name_nodes, operators, rewrite
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.records import trained_by
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
    the architecture.

    The folder holds `model.onnx` (inputs as the task names them, batch and length dynamic; output `logits`), with
    its weights in `model.onnx.data` if they exceed 2 GiB, `config.json`, the tokenizer or image processor, and
    `export.json`, which is the record returned.

    Args:
        checkpoint: a folder with `config.json`, safetensors weights and a tokenizer or image processor.
        output: the folder to write; must not exist.
        task: its validation examples are those that parity is checked on, and that the lower precision must score on.
        config: see `ExportConfig`; fp32 by default.

    Raises:
        UserError: `output` exists, no checkpoint folder, what the task refuses, no exporter knows the architecture,
            parity failed, or the lower precision costs too much.
    """
    config = config or ExportConfig()
    refuse_existing(output)
    weights = weights_files(checkpoint, task.auto_class)
    model = load_model(checkpoint, task.auto_class, attn_implementation="eager")
    model.config.use_cache = False  # a decoder would return keys and values too
    data = load_data(task, checkpoint, splits=("validation",))
    numbers = parity.places(data.splits["validation"], config.examples)
    chosen = [data.splits["validation"][number] for number in numbers]
    inputs = model_inputs(model, chosen[0])
    reference = parity.reference(model, chosen, data, inputs, numbers)
    with complete_folder(output) as folder:
        stages = Stages(folder / MODEL, reference, config.tolerance)
        # traced on the shortest example: a length that the exporter bakes in shows on all others
        exporter = _convert(stages, model, reference.batches[reference.padded], config.opset)
        if not stages.attempt("fused", _fuse(model.config)):
            stages.attempt("fused but for attention", _fuse(model.config, attention=False))
        stages.attempt("first token", rewrite(keep_first_token))
        if config.device == "cpu" and config.precision != "fp16":
            stages.attempt("first query", rewrite(keep_first_query))
            stages.attempt("arranged for the CPU", rewrite(suit_cpu))
        rewrite(name_nodes)(stages.file, stages.file)
        if config.precision != "fp32":
            lower_precision(stages, checkpoint, task, data, config)
        record = {
            "task": as_recipe(task),
            "source": {"checkpoint": checkpoint, "sha256": sha256(*weights)},
            **config.model_dump(mode="json"),
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


def _fuse(config: Any, attention: bool = True) -> Write:
    heads, width = getattr(config, "num_attention_heads", 0), getattr(config, "hidden_size", 0)
    return lambda source, target: fusion.fuse(source, target, heads, width, attention)


def _metadata(record: Mapping[str, Any], checkpoint: str) -> dict[str, str]:
    """What the ONNX file says of its own origin."""
    return {
        "version": record["versions"]["theseus-plugin"],
        "source": record["source"]["sha256"],
        "recipe": json.dumps(trained_by(checkpoint) or {"task": record["task"]}),
        "precision": record["precision"],
        "opset": str(record["opset"]),
        "exporter": record["exporter"],
    }
