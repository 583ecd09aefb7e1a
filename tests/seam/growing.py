"""A fitter as a third party writes it: a model of one block is trained on short texts, then grown to two blocks."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from theseus_plugin.contract import Result, Task
from theseus_plugin.training.config import TrainingConfig


class GrowingConfig(TrainingConfig):
    """The options of training, and two more."""

    small_share: float = Field(0.5, gt=0, lt=1, description="Share of the optimizer steps that train one block")
    short: int = Field(6, ge=2, description="Tokens to which texts are cut for these")


class Growing:
    """Grows by stacking (Gong et al. 2019); moments are carried to both copies of a block."""

    name = "growing"
    summary = "one block on short texts, then two"
    Config = GrowingConfig

    def __init__(self, config: GrowingConfig) -> None:
        self.config = config

    def fit(self, model: str, predecessor: str, task: Task) -> Result:
        from tests.seam.growing_phases import Grown, Small, larger, shorter
        from theseus_plugin.training.run import TrainingRun

        section: dict[str, Any] = {"name": self.name, **self.config.model_dump(mode="json")}
        run = TrainingRun("fit", model, predecessor, task, {"fit": section}, self.config, new_head=True)
        small = run.load_model()
        large = larger(small)
        loop = run.loop()
        steps = max(1, round(self.config.small_share * loop.steps))
        phases = [
            Small(small, large, steps, shorter(run.data, self.config.short)),
            Grown(small, large, loop.steps - steps),
        ]
        outcome = loop.run(phases, small.parameters)
        return run.publish(large, outcome, before={})
