"""One stretch of training: what is trained, and what happens around each forward pass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from transformers import PreTrainedModel


class Phase:
    """Trains every parameter of `model` that requires a gradient. Methods override what they need.

    Attributes:
        name: shown in the progress bar and in `result.json`.
        model: the stock model that is called.
        steps: optimizer steps of this phase.
        unused_parameters: whether a forward pass may leave trainable parameters out, which DDP must be told.
    """

    unused_parameters = False

    def __init__(self, name: str, model: PreTrainedModel, steps: int) -> None:
        self.name = name
        self.model = model
        self.steps = steps

    def start(self) -> None:
        """Called once, before the model is prepared for this phase."""

    def before_forward(self, step: int, micro_step: int) -> None:
        """Called before each training forward.

        Args:
            step: optimizer steps done since training began, over all phases.
            micro_step: forward passes done since training began, the same number on every process.
        """

    def figures(self) -> dict[str, float]:
        """Numbers of this phase to show and log beside the loss."""
        return {}

    def result(self) -> AbstractContextManager[PreTrainedModel]:
        """The model that would come out now, for as long as it is evaluated or copied."""
        return nullcontext(self.model)
