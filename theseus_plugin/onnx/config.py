"""Options of an export."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from theseus_plugin.options.validation import Options
from theseus_plugin.vocabulary import ExportPrecision, GraphDevice


class ExportConfig(Options):
    """What `export` is to write, and what it may cost."""

    precision: ExportPrecision = Field(
        "fp32",
        description="fp32; fp16, for GPUs; 8-bit weights and activations, the range of these found in each call "
        "(int8-dynamic) or once on training examples (int8-static)",
    )
    device: GraphDevice = Field("cpu", description="what the graph is arranged for; fp16 is always arranged for cuda")
    opset: int = Field(17, ge=17, le=20, description="version of the ONNX operators")
    tolerance: float = Field(
        1e-4,
        gt=0,
        allow_inf_nan=False,
        description="largest difference of a logit from the checkpoint's that passes in fp32; of a regression a share "
        "of the spread of its values",
    )
    examples: int = Field(64, ge=1, le=2**20, description="examples to compare logits on, spread over all lengths")
    max_drop: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="points (hundredths) of the task's metric that a lower precision may cost; of one of which less is "
        "better, as perplexity, per cent of it",
    )
    leave_out: tuple[str, ...] = Field((), description="nodes to leave in fp32, by name")

    @model_validator(mode="after")
    def _something_to_leave_out(self) -> Self:
        if self.leave_out and self.precision == "fp32":
            raise ValueError("`leave_out` names nodes to leave in fp32: choose a lower precision")
        return self
