"""The two phases of the fitter `growing`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.contract import TaskData
from theseus_plugin.training.moments import Moments
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.resuming.snapshot import put_weights, weights_of


def larger(small: PreTrainedModel) -> PreTrainedModel:
    """A model of two blocks with weights that nobody needs."""
    config = copy.deepcopy(small.config)
    config.num_hidden_layers = 2
    return type(small)(config)


def shorter(data: TaskData, tokens: int) -> TaskData:
    """The training examples, cut."""
    examples = [
        {name: value if name == "labels" else value[:tokens] for name, value in example.items()}
        for example in data.splits["train"]
    ]
    return replace(data, splits={"train": examples})


def source(name: str) -> str:
    """The weight of the small model that a weight of the large one is a copy of."""
    return name.replace(".layer.1.", ".layer.0.")


class Small(Phase):
    """Trains one block; then two become of it."""

    def __init__(self, small: PreTrainedModel, large: PreTrainedModel, steps: int, data: TaskData) -> None:
        super().__init__("small", small, steps, data=data, autocast=False)
        self.large = large

    def blocks(self) -> list[nn.Module]:
        """A stack of one block is not found: nothing tells that it is one."""
        return list(self.model.base_model.encoder.layer)

    def parameters(self) -> Iterable[nn.Parameter]:
        return self.model.parameters()

    def finish(self, evaluate: Callable[[PreTrainedModel], dict[str, float]]) -> None:
        weights = weights_of(self.model)
        put_weights(self.large, {name: weights[source(name)] for name in weights_of(self.large)})


class Grown(Phase):
    """Trains both blocks, from the moments that the one had."""

    def __init__(self, small: PreTrainedModel, large: PreTrainedModel, steps: int) -> None:
        super().__init__("grown", large, steps)
        self.small = small

    def parameters(self) -> Iterable[nn.Parameter]:
        return self.model.parameters()

    def carry(self, old: Moments, new: Moments) -> None:
        before = dict(self.small.named_parameters())
        for name, parameter in self.model.named_parameters():
            new[parameter] = old[before[source(name)]]
