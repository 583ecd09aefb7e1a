"""A third party's method whose folders are no stock checkpoints: the matrices of linear layers are bytes with scales.

Its ONNX graph holds them as bytes, too, with one scale a matrix, which is coarser than the folder's one a row: so it
has a stage and a tolerance of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from theseus_plugin.contract import FormatMethod, GraphPlan, GraphStage, Result, Task
from theseus_plugin.options.validation import Options
from theseus_plugin.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from theseus_plugin.methods.frame import Built
    from theseus_plugin.training.run import TrainingRun

STORE = "scales.safetensors"
TOLERANCE = 0.1


class ByteConfig(Options):
    """How to train."""

    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train")


class ByteWeights(FormatMethod):
    """As deep as the predecessor, and a quarter of its bytes."""

    name = "byte-weights"
    summary = "for tests: a model whose matrices are bytes"
    Config = ByteConfig
    config: ByteConfig

    def __init__(self, config: ByteConfig) -> None:
        self.config = config

    def compress(self, predecessor: str, successor: str, task: Task) -> Result:
        """See `Method.compress`."""
        from theseus_plugin.methods.frame import run_method

        return run_method(self, self.config.training, predecessor, successor, task, self._build)

    @classmethod
    def load(cls, folder: str, auto_class: str) -> nn.Module:
        """See `FormatMethod.load`."""
        import transformers
        from safetensors.torch import load_file

        config = transformers.AutoConfig.from_pretrained(folder)
        model = getattr(transformers, auto_class).from_config(config, attn_implementation="eager")
        stored, scales = load_file(Path(folder, "model.safetensors")), load_file(Path(folder, STORE))
        rows = {name: stored.pop(name).float() * scale for name, scale in scales.items()}
        model.load_state_dict(rows | stored, strict=False)
        return _module(model)

    @classmethod
    def graph_plan(cls, folder: str) -> GraphPlan:
        """See `FormatMethod.graph_plan`."""
        return GraphPlan([GraphStage("matrices of bytes", to_bytes)], TOLERANCE, "int8-matrices")

    def _build(self, run: TrainingRun, model: PreTrainedModel, steps: int) -> Built:
        from theseus_plugin.methods.frame import Built
        from theseus_plugin.training.phase import Phase
        from theseus_plugin.training.publishing.artefact import Artefact

        phases = [Phase("tuning", model, steps)]
        return Built(phases, model.parameters, model, artefact=Artefact(self.name, "int8-rows", save))


def save(model: PreTrainedModel, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Bytes, and in a file beside them the scale of each row."""
    import torch
    from safetensors.torch import save_file

    matrices = [f"{name}.weight" for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    scales = {name: weights[name].abs().amax(dim=1, keepdim=True) / 127 for name in matrices}
    rows = {name: (weights[name] / scale).round().to(torch.int8) for name, scale in scales.items()}
    save_file({**weights, **rows}, folder / "model.safetensors")
    save_file(scales, folder / STORE)


def _module(model: Any) -> nn.Module:
    """A module that is nothing of transformers: it has what the contract asks for, and no more."""
    from torch import nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.config = model, model.config

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return SimpleNamespace(logits=self.inner(input_ids=input_ids, attention_mask=attention_mask).logits)

    return Reader()


def to_bytes(source: Path, target: Path) -> int:
    """A stage: the matrices that a graph multiplies with as bytes of one scale each; gives how many there are."""
    import numpy as np
    import onnx

    model = onnx.load(source)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    found = [node.input[1] for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in tensors]
    for name in found:
        values = onnx.numpy_helper.to_array(tensors[name])
        scale = np.float32(np.abs(values).max() / 127)
        bytes_ = np.round(values / scale).astype(np.int8)
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(bytes_, f"{name}.bytes"))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(scale), f"{name}.scale"))
        node = onnx.helper.make_node("DequantizeLinear", [f"{name}.bytes", f"{name}.scale"], [name], f"{name}.read")
        model.graph.node.insert(0, node)
    onnx.save(model, target)
    return len(found)
