"""What an optimizer remembers of its parameters, by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from theseus_plugin.training.sharding import put, whole


class Moments:
    """The state that an optimizer keeps of each of its parameters: AdamW's `exp_avg` and `exp_avg_sq`, of the shape of
    the parameter, and `step`, a scalar.

    Of parameters that are split over the processes they are given and taken whole; all processes have to ask.
    """

    def __init__(self, optimizer: Any) -> None:
        self._state = optimizer.state
        self._held = {parameter for group in optimizer.param_groups for parameter in group["params"]}

    def __getitem__(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Copies of the moments of a parameter by name; none as long as it was not updated.

        Raises:
            ValueError: the optimizer does not hold this parameter.
        """
        self._refuse_other(parameter)
        return {name: whole(value).clone() for name, value in self._state.get(parameter, {}).items()}

    def __setitem__(self, parameter: nn.Parameter, moments: Mapping[str, Tensor]) -> None:
        """Let the next update of a parameter go on from these; empty: from none.

        Raises:
            ValueError: the optimizer does not hold this parameter, or a moment has another shape.
        """
        self._refuse_other(parameter)
        made = {}
        for name, value in moments.items():
            if value.ndim and value.shape != parameter.shape:
                raise ValueError(f"{name} has the shape {tuple(value.shape)}, its weight {tuple(parameter.shape)}")
            made[name] = torch.zeros_like(parameter if value.ndim else value.to(parameter.device))
            put(made[name], value)
        self._state[parameter] = made

    def _refuse_other(self, parameter: nn.Parameter) -> None:
        if parameter not in self._held:
            raise ValueError(f"a parameter of the shape {tuple(parameter.shape)} that the optimizer does not hold")
