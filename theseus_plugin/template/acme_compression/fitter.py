"""A fitter: the head alone learns, on top of a model that stays as it was pretrained.

Importing a plugin's module must be cheap: torch, transformers and what needs them are imported in the verb.
"""

from __future__ import annotations

from theseus_plugin.contract import Fitter, Result, Task, as_recipe
from theseus_plugin.errors import UserError
from theseus_plugin.training.config import TrainingConfig


class LinearProbeConfig(TrainingConfig):
    """The options; people see their descriptions. Those of training are all there, `resume` among them."""


class LinearProbeFitter(Fitter):
    """Tells how much of a task the pretrained model knows already."""

    name = "linear-probe"
    summary = "train the head and leave the pretrained model as it is"
    Config = LinearProbeConfig
    config: LinearProbeConfig

    def fit(self, model: str, predecessor: str, task: Task) -> Result:
        """See `Fitter.fit`.

        Raises:
            UserError: `predecessor` exists, what is wrong with the data, the model or the disk, or a model of which no
                head can be told apart.
        """
        from theseus_plugin.training.phase import Phase
        from theseus_plugin.training.run import TrainingRun

        run = TrainingRun("fit", model, predecessor, task, {"fit": as_recipe(self)}, self.config, new_head=True)
        network = run.load_model()
        network.base_model.requires_grad_(False)
        head = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not head:
            raise UserError(f"{model}: it has no head of its own to train: fit it with plain, which trains all of it")
        loop = run.loop()
        outcome = loop.run([Phase("probing", network, loop.steps)], lambda: head)
        return run.publish(network, outcome, before={})
