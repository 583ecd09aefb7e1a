"""How the replacing rate `p` moves with the optimizer steps (BERT-of-Theseus, sections 3.2 and 3.3).

A schedule is a plugin of the group `model_compression.schedules`; see `theseus_plugin.contract.Schedule`.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from theseus_plugin.contract import Schedule
from theseus_plugin.errors import UserError
from theseus_plugin.options.plain import quoted
from theseus_plugin.options.validation import Options, Steps
from theseus_plugin.plugins.registry import described

Rate = Annotated[float, Field(ge=0.01, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
_SHARE = 1 / 3


class ConstantOptions(Options):
    """Options of `constant`."""

    rate: Rate = Field(0.5, description="p in the replacing phase")
    share: Share = Field(_SHARE, description="Share of all optimizer steps that the replacing phase takes")
    steps: Steps | None = Field(None, description="Its optimizer steps; replaces share")


class Constant(Schedule):
    """One rate for the whole replacing phase."""

    name: ClassVar[str] = "constant"
    summary: ClassVar[str] = "one rate, then 1"
    Config = ConstantOptions
    config: ConstantOptions

    def rate_at(self, step: int, total: int) -> float:
        """See `Schedule.rate_at`."""
        steps = self.config.steps or round(self.config.share * total)
        return self.config.rate if step < steps else 1.0


class LinearOptions(Options):
    """Options of `linear`."""

    base_rate: Rate = Field(0.3, description="p at the first step")
    share: Share = Field(_SHARE, description="Share of all optimizer steps after which p is 1")
    slope: float | None = Field(None, gt=0, description="Growth of p per optimizer step; replaces share")


class Linear(Schedule):
    """The paper's curriculum: p = min(1, slope * step + base_rate)."""

    name: ClassVar[str] = "linear"
    summary: ClassVar[str] = "the paper's curriculum: p grows by the same amount in every step"
    Config = LinearOptions
    config: LinearOptions

    def rate_at(self, step: int, total: int) -> float:
        """See `Schedule.rate_at`."""
        base, slope = self.config.base_rate, self.config.slope
        if slope is not None:
            return min(1.0, slope * step + base)
        return base + (1 - base) * _progress(step, self.config.share, total)


class BaseOptions(Options):
    """Options of `cosine` and `anti-curriculum`."""

    base_rate: Rate = Field(0.3, description="The lowest p, from which it grows or to which it falls")
    share: Share = Field(_SHARE, description="Share of all optimizer steps after which p is 1")


class Cosine(Schedule):
    """From the base rate to 1 along half a cosine wave: slow at both ends, fast in between."""

    name: ClassVar[str] = "cosine"
    summary: ClassVar[str] = "p grows along half a cosine wave, slowly at both ends"
    Config = BaseOptions
    config: BaseOptions

    def rate_at(self, step: int, total: int) -> float:
        """See `Schedule.rate_at`."""
        done = _progress(step, self.config.share, total)
        return 1 - (1 - self.config.base_rate) * (1 + math.cos(math.pi * done)) / 2


class AntiCurriculum(Schedule):
    """The paper's ablation: p falls from 1 to the base rate while the curriculum would rise, then is 1."""

    name: ClassVar[str] = "anti-curriculum"
    summary: ClassVar[str] = "for comparison: p falls by the same amount in every step, then is 1"
    Config = BaseOptions
    config: BaseOptions

    def rate_at(self, step: int, total: int) -> float:
        """See `Schedule.rate_at`."""
        done = _progress(step, self.config.share, total)
        return 1 - (1 - self.config.base_rate) * done if done < 1 else 1.0


def rate(schedule: Schedule, step: int, total: int) -> float:
    """The schedule's rate, 1 where it is 1 but for rounding.

    Raises:
        UserError: it gives something that is no rate.
    """
    value = schedule.rate_at(step, total)
    try:
        found = math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found <= 1 + 1e-9:
        raise UserError(
            f"{described('schedule', schedule.name)} gives the rate {quoted(value)} at step {step} of {total}: it must"
            " lie above 0 and be at most 1"
        )
    return 1.0 if found > 1 - 1e-9 else found


def replacing_steps(schedule: Schedule, total: int) -> int:
    """Optimizer steps of the replacing phase, of `total`: up to the last one whose rate is below 1.

    Raises:
        UserError: as `rate`.
    """
    return next((step + 1 for step in reversed(range(total)) if rate(schedule, step, total) < 1), 0)


def _progress(step: int, share: float, total: int) -> float:
    """How far the replacing phase has come, from 0 to 1."""
    return min(1.0, step / max(1, round(share * total)))
