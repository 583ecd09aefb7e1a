"""Fine-tune a predecessor."""

from __future__ import annotations

from theseus_plugin.contract import Result, Task
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.run import TrainingRun


def fit(model: str, output: str, task: Task, config: TrainingConfig) -> Result:
    """Train all of `model`, a pretrained checkpoint, with a new head for `task`; write it to `output`.

    Raises:
        UserError: as `TrainingRun`, or `model` cannot be loaded.
    """
    run = TrainingRun("fit", model, output, task, {"fit": config.model_dump(mode="json")}, config, new_head=True)
    network = run.load_model()
    loop = run.loop()
    outcome = loop.run([Phase("fine-tuning", network, loop.steps)], network.parameters)
    return run.publish(network, outcome, before={})
