"""A PyTorch model as an ONNX file that takes every batch size and length."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.errors import UserError, reason
from theseus_plugin.onnx import model_files
from theseus_plugin.quiet import mute
from theseus_plugin.writing.disk import disk_trouble

if TYPE_CHECKING:
    from torch import nn

    from theseus_plugin.vocabulary import Batch

OPSETS = range(17, 21)  # 17 is the first with LayerNormalization, 20 the last that the TorchScript exporter knows
DYNAMO_OPSET = 18  # the first that the other exporter writes
LARGEST = 2**31 - 2**24  # bytes; protobuf ends at 2 GiB, and the graph itself takes a little
EXPORTERS = ("torchscript", "dynamo")


def model_inputs(model: Any, example: Mapping[str, Any]) -> list[str]:
    """What the task produced for `example` and the model's forward takes, in the task's order, without labels."""
    taken = inspect.signature(model.forward).parameters
    return [name for name in example if name != "labels" and name in taken]


def convert(model: Any, batch: Batch, file: Path, opset: int, exporters: Sequence[str] = EXPORTERS) -> str:
    """Write `model` as the ONNX graph `file`, by the first of torch's exporters that can.

    The TorchScript exporter comes first, though torch calls it legacy: both exporters keep the logits, but
    ONNX Runtime's optimizer finds no attention in the graphs of the other one, even with eager attention; with
    SDPA it finds none in either. Whether a trace holds for other batches too is for the caller to check.

    The batch is always dynamic, and the length wherever there is one: in inputs of whole numbers of shape
    (batch, length), and in logits of shape (batch, length, classes). A model of more than `LARGEST` bytes gets
    its weights in a file beside it, `model.onnx.data` for `model.onnx`.

    Args:
        model: in eval mode, with eager attention; its output has `logits`.
        batch: what to trace it on, by name of the input, in the order of the ONNX inputs.
        file: the file to write.
        opset: version of the ONNX operators, one of `OPSETS`; at least 18 with "dynamo".
        exporters: names of those to try, in this order.

    Returns:
        Name of the exporter that wrote the file, one of `EXPORTERS`.

    Raises:
        UserError: no exporter can.
    """
    write = {"torchscript": _torchscript, "dynamo": _dynamo}
    batch = {name: array if len(array) > 1 else np.repeat(array, 2, axis=0) for name, array in batch.items()}
    reasons = []
    for exporter in exporters:
        with TemporaryDirectory(dir=file.parent, prefix=".convert-") as folder, mute():
            try:
                write[exporter](model, batch, Path(folder, "model.onnx"), opset)
            except Exception as error:  # the exporters raise anything on what they do not know
                if disk_trouble(error) is not None:
                    raise
                reasons.append(f"{exporter}: {reason(error)}")
                continue
            model_files.gather(Path(folder, "model.onnx"), file, LARGEST)
        return exporter
    raise UserError(
        f"{type(model).__name__} cannot be exported to ONNX ({'; '.join(reasons)}): "
        "choose a model of another architecture"
    )


def _torchscript(model: Any, batch: Batch, file: Path, opset: int) -> None:
    import torch

    wrapped, arrays = _wrapped(model, batch)
    with torch.no_grad():
        axes = {name: _axes(array) for name, array in batch.items()}
        by_rank = {2: {0: "batch"}, 3: {0: "batch", 1: "length"}}
        torch.onnx.export(
            wrapped,  # the exporter sets this mode on the model when it is done
            arrays,
            str(file),
            input_names=list(batch),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": by_rank[wrapped(*arrays).ndim]},
            opset_version=opset,
            dynamo=False,
        )


def _dynamo(model: Any, batch: Batch, file: Path, opset: int) -> None:
    import torch

    wrapped, arrays = _wrapped(model, batch)
    torch.onnx.export(
        wrapped,
        arrays,
        str(file),
        input_names=list(batch),
        output_names=["logits"],
        dynamic_shapes=(tuple(_axes(array) for array in batch.values()),),
        opset_version=max(opset, DYNAMO_OPSET),
        dynamo=True,
        verbose=False,
    )
    written = model_files.load_graph(file)
    for part in (*written.graph.node, *written.graph.value_info, *written.graph.input, *written.graph.output):
        part.ClearField("metadata_props")  # stack traces, with the paths of this machine
    file.write_bytes(written.SerializeToString())


def _wrapped(model: Any, batch: Batch) -> tuple[nn.Module, tuple[Any, ...]]:
    """The model with positional inputs and one tensor as output, as the exporters want it, and its inputs."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arrays: torch.Tensor) -> Any:
            return self.model(**dict(zip(batch, arrays, strict=True))).logits

    return Logits().eval(), tuple(torch.from_numpy(array) for array in batch.values())


def _axes(array: np.ndarray) -> dict[int, str]:
    has_length = array.ndim == 2 and np.issubdtype(array.dtype, np.integer)
    return {0: "batch", 1: "length"} if has_length else {0: "batch"}
