"""From a checkpoint folder to an ONNX folder that is known to give the same logits."""

from __future__ import annotations

import inspect
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.checkpoint import count_parameters, load_model, load_tokenizer, weights_file
from theseus_plugin.contract import as_recipe
from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder, refuse_existing, sha256, write_json
from theseus_plugin.onnx import fusion, parity
from theseus_plugin.onnx.session import Session
from theseus_plugin.quiet import quiet

if TYPE_CHECKING:
    from theseus_plugin.contract import Task

MODEL = "model.onnx"
OPSETS = range(17, 21)  # 17 is the first with LayerNormalization, 20 the last that the exporter knows
LARGEST = 2**31 - 2**24  # bytes; protobuf ends at 2 GiB, and the graph itself takes a little


def export(
    checkpoint: str,
    output: str,
    task: Task,
    opset: int = OPSETS[0],
    tolerance: float = 1e-4,
    examples: int = 64,
) -> dict[str, Any]:
    """Export a checkpoint to the folder `output`, fused where that keeps the logits, complete or not at all.

    The folder holds `model.onnx` (inputs as the tokenizer names them, of shape (batch, length), both dynamic;
    output `logits`), `config.json`, the tokenizer, and `export.json`, which is the record returned.

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
    if 4 * count_parameters(model) > LARGEST:
        raise UserError(f"{checkpoint}: more than 2 GiB in fp32 do not fit one ONNX file: compress the model first")
    data = task.load(checkpoint, splits=("validation",))
    chosen = parity.spread(data.splits["validation"], examples)
    inputs = model_inputs(model, chosen[0])
    batches = parity.batches(chosen, data.collate, inputs)
    reference = parity.reference(model, chosen, batches)
    with complete_folder(output) as folder:
        file = folder / MODEL
        convert(model, batches[0], file, opset)
        fused = _fuse(model, file, reference, tolerance)
        agreed = fused.pop("parity", None) or parity.check(Session(file).run, reference, tolerance)
        shutil.copyfile(Path(checkpoint, "config.json"), folder / "config.json")
        load_tokenizer(checkpoint).save_pretrained(folder)
        record = {
            "task": as_recipe(task),
            "source": {"checkpoint": checkpoint, "sha256": sha256(weights)},
            "file": {"name": MODEL, "sha256": sha256(file), "bytes": file.stat().st_size},
            "inputs": inputs,
            "opset": opset,
            "exporter": "torchscript",
            "fusion": fused,
            "parity": agreed,
            "versions": {name: version(name) for name in ("torch", "transformers", "onnx", "onnxruntime")},
        }
        write_json(folder / "export.json", record)
    return record


def model_inputs(model: Any, example: Any) -> list[str]:
    """What the tokenizer produced for `example` and the model's forward takes, in the tokenizer's order."""
    taken = inspect.signature(model.forward).parameters
    return [name for name in example if name != "labels" and name in taken]


def convert(model: Any, batch: parity.Batch, file: Path, opset: int) -> None:
    """Write `model` as an ONNX graph with dynamic batch and length, traced on `batch`.

    The TorchScript exporter, though torch calls it legacy: both exporters keep the logits (differences of
    1e-7), but ONNX Runtime's optimizer finds no attention in the graphs of the other one, even with eager
    attention; with SDPA it finds none in either.
    """
    import torch

    class Logits(torch.nn.Module):
        """Positional inputs in, one tensor out, as the exporter wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arrays: torch.Tensor) -> Any:
            return self.model(**dict(zip(batch, arrays, strict=True))).logits

    axes = {name: {0: "batch", 1: "length"} for name in batch}
    with quiet(), torch.no_grad():
        torch.onnx.export(
            Logits().eval(),  # the exporter sets this mode on the model when it is done
            tuple(torch.from_numpy(array) for array in batch.values()),
            str(file),
            input_names=list(batch),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "batch"}},
            opset_version=opset,
            dynamo=False,
        )


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
        fused.replace(file)
        return {"applied": True, "nodes": nodes, "parity": agreed}
    finally:
        fused.unlink(missing_ok=True)
