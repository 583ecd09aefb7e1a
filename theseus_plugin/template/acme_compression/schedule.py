"""A schedule: the replacing rate goes up in stairs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from theseus_plugin.contract import Schedule


class StepWiseConfig(BaseModel):
    """The options; people see their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_rate: float = Field(0.25, gt=0, le=1, description="The rate of the first stair")
    stairs: int = Field(3, ge=1, description="How often the rate goes up, each time by as much; the last time to 1")
    share: float = Field(2 / 3, gt=0, le=1, description="Share of all optimizer steps after which the rate is 1")


class StepWiseSchedule(Schedule):
    """Gives the model time to settle at each rate."""

    name = "step-wise"
    summary = "the rate goes up in equal stairs"
    Config = StepWiseConfig
    config: StepWiseConfig

    def rate_at(self, step: int, total: int) -> float:
        """See `Schedule.rate_at`."""
        stairs = self.config.stairs
        steps = max(1, round(self.config.share * total))
        climbed = min(stairs, step * stairs // steps)
        return self.config.base_rate + (1 - self.config.base_rate) * climbed / stairs
