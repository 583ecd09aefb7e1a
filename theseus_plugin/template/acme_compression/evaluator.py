"""An evaluator: how much a model computes.

Importing a plugin's module must be cheap: torch, transformers and what needs them are imported in the verb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from theseus_plugin.contract import Evaluator, Task
from theseus_plugin.errors import UserError


class FlopCountConfig(BaseModel):
    """The options; people see their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length: int = Field(128, ge=1, description="Tokens of the one text that is counted for")


class FlopCountEvaluator(Evaluator):
    """Counts floating-point operations of matrix products, which do not depend on the machine as times do."""

    name = "flop-count"
    summary = "floating-point operations of the matrix products in one forward pass"
    Config = FlopCountConfig
    config: FlopCountConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model: `flops`, two for each multiplication and addition, and the `length` in tokens.

        Raises:
            UserError: a path that is no model, or a model that takes no texts or none so long.
        """
        return [{"flops": self._flops(model, task), "length": self.config.length} for model in models]

    def _flops(self, model: str, task: Task) -> int:
        import torch
        import transformers
        from theseus_plugin.checkpoint import load_config
        from theseus_plugin.measure.models import resolve
        from torch.utils.flop_counter import FlopCounterMode

        config = load_config(str(resolve(model).folder))
        longest = getattr(config, "max_position_embeddings", None)
        if longest and self.config.length > longest:
            raise UserError(f"{model}: it takes {longest} tokens at most: lower length")
        # no weights are needed to count, so none are loaded; an ONNX folder has the same config.json
        with torch.device("meta"):
            auto = getattr(transformers, task.auto_class)
            network = auto.from_config(config, attn_implementation="eager").eval()
            if network.main_input_name != "input_ids":
                raise UserError(f"{model}: it takes {network.main_input_name}, and this counts for texts only")
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(input_ids=torch.ones((1, self.config.length), dtype=torch.long))
        return int(counter.get_total_flops())
