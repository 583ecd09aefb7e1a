"""The fitter `plain`: all of a model, fine-tuned on the labels."""

from __future__ import annotations

from typing import ClassVar

from theseus_plugin.contract import Fitter, Result, Task
from theseus_plugin.training.config import TrainingConfig


class Plain(Fitter):
    """Fine-tuning: see `docs/training.md`. What a recipe means that names no fitter."""

    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = "fine-tuning of the whole model"
    Config = TrainingConfig

    config: TrainingConfig

    def fit(self, model: str, predecessor: str, task: Task) -> Result:
        """Train all of `model` with a new head; see `Fitter.fit`.

        Raises:
            UserError: as `TrainingRun` and `Loop.run`, or `model` cannot be loaded.
        """
        from theseus_plugin.training.phase import Phase
        from theseus_plugin.training.run import TrainingRun

        options = {"fit": self.config.model_dump(mode="json")}
        run = TrainingRun("fit", model, predecessor, task, options, self.config, new_head=True)
        network = run.load_model()
        loop = run.loop()
        outcome = loop.run([Phase("fine-tuning", network, loop.steps)], network.parameters)
        return run.publish(network, outcome, before={})
