"""Progressive module replacing as a mode of NVIDIA ModelOpt, in a training loop of the user's own.

    import modelopt.torch.opt as mto
    import theseus_plugin.hosts.modelopt                       # registers the two modes

    model = mto.apply_mode(model, [("theseus_replace", {"steps": 600, "options": {"successor_blocks": 3}})])
    ...                                                        # the optimizer and the loop, as they are
    successor = mto.apply_mode(model, "export_successor")      # a stock model

ModelOpt tells a mode nothing of the training. So the model's forward passes are seen by a hook, and optimizer steps by
PyTorch's hook of all optimizers; of those, the ones that hold blocks of the successor count.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import PreTrainedModel

from theseus_plugin.errors import UserError
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.follower import Follower, follower_options
from theseus_plugin.training.config import TrainingConfig

try:
    from modelopt.torch.opt.config import ModeloptBaseConfig, ModeloptField
    from modelopt.torch.opt.conversion import ModeloptStateManager
    from modelopt.torch.opt.mode import ModeDescriptor, _ModeRegistryCls
except ImportError as error:
    raise UserError(f"ModelOpt cannot be imported ({error}): pip install 'theseus-plugin[modelopt]'") from error

REGISTRY = _ModeRegistryCls("theseus")
_REFUSALS = dict.fromkeys(
    ("clip_scope", "logits_share", "module_costs"),
    "cannot be had in a loop of yours: use `theseus-plugin compress`",
)


class ReplaceConfig(ModeloptBaseConfig):  # type: ignore[misc]
    """Options of the mode `theseus_replace`."""

    steps: int = ModeloptField(default=0, ge=1, validate_default=True, description="Optimizer steps of the whole run")
    seed: int = ModeloptField(default=42, description="Seed of the draws")
    options: dict[str, Any] = ModeloptField(
        default={}, description="Those of the method `theseus`, but for training, clip_scope and module_costs"
    )


class ExportConfig(ModeloptBaseConfig):  # type: ignore[misc]
    """The mode `export_successor` has no options."""


class Replacement(Follower):
    """A run that hooks tell of the model's passes and of the steps of its optimizer.

    Args:
        model: the predecessor; slots are put into it.
        config: what to do.

    Raises:
        UserError: a wrong option, or a model that cannot be compressed so.
    """

    def __init__(self, model: PreTrainedModel, config: ReplaceConfig) -> None:
        super().__init__(model, _options(config))
        self.begin(config.steps, config.seed)
        self._blocks = set(self.assembly.successor_blocks.parameters())
        self._hooks = [
            model.register_forward_pre_hook(self._before_forward),
            register_optimizer_step_post_hook(self._after_step),
        ]

    def export(self) -> PreTrainedModel:
        """End the run; gives the stock successor.

        Raises:
            UserError: no optimizer has trained it.
        """
        if self.step == 0:
            raise UserError(
                "export_successor: no optimizer step has been seen: make the optimizer, one of PyTorch's, after"
                " theseus_replace and of model.parameters()"
            )
        for hook in self._hooks:
            hook.remove()
        return self.end().requires_grad_(True)

    def _before_forward(self, model: nn.Module, inputs: Any) -> None:
        if model.training:
            self.before_pass()
            self.micro_step += 1

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if any(parameter in self._blocks for group in optimizer.param_groups for parameter in group["params"]):
            self.step += 1


@REGISTRY.register_mode
class ReplaceMode(ModeDescriptor):  # type: ignore[misc]
    """`theseus_replace`: the model trains its successor; how far it has come is part of ModelOpt's state."""

    name = "theseus_replace"
    config_class = ReplaceConfig
    export_mode = "export_successor"
    next_modes = frozenset({"export_successor"})

    def convert(self, model: nn.Module, config: ReplaceConfig) -> tuple[nn.Module, dict[str, Any]]:
        """Put slots into the predecessor, and the run beside them as `model.theseus`."""
        if not isinstance(model, PreTrainedModel):
            raise UserError(f"theseus_replace takes a model of transformers, not a {type(model).__name__}")
        if ModeloptStateManager(model).has_state:
            raise UserError("theseus_replace puts another model in the place of this one: apply it before other modes")
        model.theseus = Replacement(model, config)
        return model, model.theseus.state()

    def restore(self, model: PreTrainedModel, config: ReplaceConfig, metadata: dict[str, Any]) -> PreTrainedModel:
        """Put slots into the predecessor, loaded anew; ModelOpt loads the weights next."""
        model.theseus = Replacement(model, config)
        model.theseus.restore(metadata)
        return model

    def update_for_save(self, model: PreTrainedModel, config: ReplaceConfig, metadata: dict[str, Any]) -> None:
        """Say how far the run has come."""
        metadata.update(model.theseus.state())


@REGISTRY.register_mode
class ExportMode(ModeDescriptor):  # type: ignore[misc]
    """`export_successor`: gives the stock successor, which other modes can be applied to."""

    name = "export_successor"
    config_class = ExportConfig
    is_export_mode = True
    save_mode_in_state = False

    def convert(self, model: PreTrainedModel, config: ExportConfig) -> tuple[PreTrainedModel, dict[str, Any]]:
        """End the run."""
        return model.theseus.export(), {}

    def restore(self, model: PreTrainedModel, config: ExportConfig, metadata: dict[str, Any]) -> PreTrainedModel:
        """Not called: the mode is in no state."""
        raise NotImplementedError


def _options(config: ReplaceConfig) -> TheseusConfig:
    """The options, but for those that a mode has no say in."""
    training = TrainingConfig(seed=config.seed)
    options = follower_options({"training": training, **config.options}, where="options", refusals=_REFUSALS)
    if options.training != training:
        raise UserError("options.training: leave it out, the loop that trains is yours")
    return options
