"""How the replacing rate `p` moves with the optimizer steps (BERT-of-Theseus, sections 3.2 and 3.3)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from theseus_plugin.validation import Options

Rate = Annotated[float, Field(ge=0.01, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class ConstantSchedule(Options):
    """One rate for the whole replacing phase."""

    name: Literal["constant"] = "constant"
    rate: Rate = Field(0.5, description="p in the replacing phase")
    share: Share = Field(2 / 3, description="Share of all optimizer steps that the replacing phase takes")
    steps: int | None = Field(None, ge=1, description="Its optimizer steps; replaces share")

    def replacing_steps(self, total: int) -> int:
        """Optimizer steps with p < 1, of `total`."""
        return min(total, self.steps or round(self.share * total))

    def rate_at(self, step: int, total: int) -> float:
        """P after `step` optimizer steps of `total`."""
        return self.rate if step < self.replacing_steps(total) else 1.0


class LinearSchedule(Options):
    """The paper's curriculum: p = min(1, slope * step + base_rate)."""

    name: Literal["linear"] = "linear"
    base_rate: Rate = Field(0.3, description="p at the first step")
    share: Share = Field(2 / 3, description="Share of all optimizer steps after which p is 1")
    slope: float | None = Field(None, gt=0, description="Growth of p per optimizer step; replaces share")

    def replacing_steps(self, total: int) -> int:
        """Optimizer steps with p < 1, of `total`: the paper's (1 - b) / k, rounded up."""
        if self.slope is None:
            return round(self.share * total)
        # the tolerance keeps (1 - 0.3) / 0.1 at 7 steps in floating point
        return min(total, math.ceil((1 - self.base_rate) / self.slope - 1e-9))

    def rate_at(self, step: int, total: int) -> float:
        """P after `step` optimizer steps of `total`."""
        steps = self.replacing_steps(total)
        if self.slope is None:
            return 1.0 if step >= steps else self.base_rate + (1 - self.base_rate) * step / steps
        return min(1.0, self.slope * step + self.base_rate)


Schedule = Annotated[ConstantSchedule | LinearSchedule, Field(discriminator="name")]
