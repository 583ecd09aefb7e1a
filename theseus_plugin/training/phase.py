"""One stretch of training: what is trained, and what happens around each forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from theseus_plugin.contract import TaskData
from theseus_plugin.surgery.stack import find_stacks
from theseus_plugin.training.moments import Moments


class Phase:
    """Trains every parameter of `model` that requires a gradient. Methods override what they need.

    All models and parameters are there when the loop is given its phases; only what they hold may come later.

    Attributes:
        name: shown in the progress bar and in `result.json`.
        model: the model that is called.
        steps: optimizer steps of this phase.
        data: whose split `train` this phase trains on; None: the run's. Phases that are given the same object go on
            in it where the one before stopped. Evaluations are on the run's validation split in any case.
        autocast: whether passes and evaluations of this phase use autocast where the run trains in bf16.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, steps: int, *, data: TaskData | None = None, autocast: bool = True
    ) -> None:
        self.name = name
        self.model = model
        self.steps = steps
        self.data = data
        self.autocast = autocast

    @property
    def outcome(self) -> PreTrainedModel:
        """The model that would come out now; it is evaluated, and its weights are kept."""
        return self.model

    def blocks(self) -> list[nn.Module]:
        """The repeated blocks of `model` that can be split over processes: all of its stacks.

        Raises:
            UserError: none can be found.
        """
        return [block for stack in find_stacks(self.model) for block in stack.blocks(self.model)]

    def asked(self) -> list[PreTrainedModel]:
        """Frozen models that this phase asks, such as a teacher; their blocks are split as those of `model` are."""
        return []

    def parameters(self) -> Iterable[nn.Parameter] | None:
        """Parameters for an optimizer of this phase's own; None: it goes on with the optimizer of the phase before.

        A new optimizer begins with each phase that gives parameters here and serves until the next such phase, with a
        learning rate that starts anew. The first one has what `Loop.run` was given where its phase gives none. Asked
        once blocks are split, and several times: the same ones in the same order each time.
        """
        return None

    def carry(self, old: Moments, new: Moments) -> None:
        """Called when this phase's own optimizer takes over, after `start`; nothing is carried unless it is done here.

        Args:
            old: of the optimizer that was used so far.
            new: of this phase's, empty as yet.
        """

    def start(self) -> None:
        """Called once before the first step, also when a resumed run starts in the middle of this phase. That run
        loads weights, optimizer and random numbers after it, so that it may change all of them.
        """

    def before_forward(self, step: int, micro_step: int) -> None:
        """Called before each training forward.

        Args:
            step: optimizer steps done since training began, over all phases.
            micro_step: forward passes done since training began, the same number on every process.
        """

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What training lowers: a mean over the labels of a batch, which holds them too, a scalar."""
        loss: Tensor = self.model(**batch).loss
        return loss

    def before_update(self) -> None:
        """Called once a step's gradients are clipped, before the optimizer moves what has a gradient."""

    def numbers(self) -> dict[str, float]:
        """Numbers of this phase to show and log beside the loss."""
        return {}

    def finish(self, evaluate: Callable[[PreTrainedModel], dict[str, float]]) -> None:
        """Called after the last step, and again when a resumed run finds this phase done: after `restore`, without
        `start`, and before any weights are loaded.

        Args:
            evaluate: gives a model's validation metrics in the precision of training.
        """

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to hold of this phase beside weights, as JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of an interrupted run; called before `start`."""
