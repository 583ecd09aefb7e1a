"""The mean loss of the latest steps, read as seldom as possible: on a GPU each reading waits for the device."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class RunningLoss:
    """Losses of steps, as they are made.

    Attributes:
        mean: of the steps that were read last and had a label; NaN as long as there was none.
    """

    def __init__(self) -> None:
        self.mean = math.nan
        self._unread: list[Tensor] = []

    def add(self, loss: Tensor, labels: Tensor) -> None:
        """A step's loss, a scalar on the device, and how many labels counted in it."""
        self._unread.append(torch.where(labels > 0, loss, math.nan))

    def read(self) -> None:
        """Take the mean anew."""
        if self._unread:
            mean = torch.stack(self._unread).nanmean().item()  # steps without a label have none
            self.mean = self.mean if math.isnan(mean) else mean
            self._unread.clear()

    def before_last(self) -> float:
        """The loss of the step before the last one; the mean where that was read."""
        return self._unread[-2].item() if len(self._unread) > 1 else self.mean

    def state(self) -> dict[str, Any]:
        """For a checkpoint, as JSON, which has no NaN."""
        unread = [_or_none(loss.item()) for loss in self._unread]
        return {"loss": _or_none(self.mean), "unread": unread}

    def restore(self, loss: float | None, unread: list[float | None], device: torch.device) -> None:
        """Take up what `state` gave."""
        self.mean = _or_nan(loss)
        self._unread = [torch.tensor(_or_nan(one), device=device) for one in unread]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
