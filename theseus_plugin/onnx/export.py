"""From a checkpoint folder to an ONNX folder that is known to give the same logits."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.checkpoint import load_model, load_tokenizer, weights_file
from theseus_plugin.contract import as_recipe
from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder, refuse_existing, sha256, write_json
from theseus_plugin.onnx import external, fusion, parity
from theseus_plugin.onnx.convert import OPSETS, convert, model_inputs
from theseus_plugin.onnx.session import Session

if TYPE_CHECKING:
    from theseus_plugin.contract import Task

MODEL = "model.onnx"


def export(
    checkpoint: str,
    output: str,
    task: Task,
    opset: int = OPSETS[0],
    tolerance: float = 1e-4,
    examples: int = 64,
) -> dict[str, Any]:
    """Export a checkpoint to the folder `output`, fused where that keeps the logits, complete or not at all.

    The folder holds `model.onnx` (inputs as the task names them, batch and length dynamic; output `logits`), with
    its weights in `model.onnx.data` if they exceed 2 GiB, `config.json`, the tokenizer, and `export.json`, which
    is the record returned.

    Args:
        checkpoint: a folder with `config.json`, `model.safetensors` and a tokenizer.
        output: the folder to write; must not exist.
        task: its validation examples are those that parity is checked on.
        opset: version of the ONNX operators, 17 to 20.
        tolerance: largest absolute difference of a logit from the checkpoint's (fp32) that passes.
        examples: number of examples to check, spread over all lengths.

    Raises:
        UserError: `output` exists, the opset is not known, no checkpoint folder, what the task refuses, or
            parity failed.
    """
    refuse_existing(output)
    if opset not in OPSETS:
        raise UserError(f"opset {opset} is not supported: choose {OPSETS[0]} to {OPSETS[-1]}")
    weights = weights_file(checkpoint)
    model = load_model(checkpoint, task.auto_class, attn_implementation="eager")
    data = task.load(checkpoint, splits=("validation",))
    chosen = parity.spread(data.splits["validation"], examples)
    inputs = model_inputs(model, chosen[0])
    batches = parity.batches(chosen, data.collate, inputs)
    reference = parity.reference(model, chosen, batches)
    with complete_folder(output) as folder:
        file = folder / MODEL
        exporter = convert(model, batches[0], file, opset)
        fused = _fuse(model, file, reference, tolerance)
        agreed = fused.pop("parity", None) or parity.check(Session(file).run, reference, tolerance)
        shutil.copyfile(Path(checkpoint, "config.json"), folder / "config.json")
        load_tokenizer(checkpoint).save_pretrained(folder)
        record = {
            "task": as_recipe(task),
            "source": {"checkpoint": checkpoint, "sha256": sha256(weights)},
            "file": {"name": MODEL, "sha256": sha256(file), "bytes": external.size(file)},
            "inputs": inputs,
            "opset": opset,
            "exporter": exporter,
            "fusion": fused,
            "parity": agreed,
            "versions": {name: version(name) for name in ("torch", "transformers", "onnx", "onnxruntime")},
        }
        write_json(folder / "export.json", record)
    return record


def _fuse(model: Any, file: Path, reference: parity.Reference, tolerance: float) -> dict[str, Any]:
    """Replace `file` by its fused form if that passes; says what was done, or why nothing was."""
    fused = file.with_name("fused.onnx")
    heads = getattr(model.config, "num_attention_heads", 0)
    width = getattr(model.config, "hidden_size", 0)
    try:
        nodes = fusion.fuse(file, fused, heads, width)
        if not nodes:
            return {"applied": False, "reason": "the optimizer found nothing to fuse", "nodes": {}}
        agreed = parity.check(Session(fused).run, reference, tolerance)
    except Exception as error:  # the optimizer works by pattern and fails in any way on what it does not know
        return {"applied": False, "reason": f"{type(error).__name__}: {error}", "nodes": {}}
    else:
        external.move(fused, file)
        return {"applied": True, "nodes": nodes, "parity": agreed}
    finally:
        external.remove(fused)
