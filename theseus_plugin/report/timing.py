"""Times in a bench record, read once into objects; any part of them may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theseus_plugin.measure.inputs import parse_shape

Interval = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """What is run in one call: texts of one length, or real examples."""

    text: str
    """As `bench` writes it: `32x64` or `32`."""
    batch: int
    length: int | None
    """In tokens; None of real examples."""

    @property
    def name(self) -> str:
        """For where little stands around it."""
        if self == OWN_EXAMPLES:
            return "own examples"
        return self.text if self.length else f"batch of {self.text}"

    @property
    def where(self) -> str:
        """In words that follow a time."""
        return "on the task's own examples, one at a time" if self == OWN_EXAMPLES else f"at {self.name}"


OWN_EXAMPLES = Shape("task", 1, None)
"""The task's own examples, one at a time."""


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the first model."""

    median: float
    interval: Interval | None
    clear: bool
    """Whether the interval leaves 1 out, and was found in enough rounds."""

    @property
    def behind(self) -> str:
        """` (1.95-2.02)`: the interval, to stand behind the median; empty where there is none."""
        return "" if self.interval is None else " ({:.2f}-{:.2f})".format(*self.interval)


@dataclass(frozen=True)
class Timing:
    """What was timed at one shape."""

    median_ms: float
    p90_ms: float | None
    rounds: int | None
    ratio: Ratio | None
    """None of the first model, which is compared with no other."""
    noise: float | None
    """The noise floor as a share: how far the interval of the A/A control reaches from 1, in either direction; None
    without a control."""

    @property
    def differs(self) -> bool:
        """Whether the ratio is clear, so that its interval leaves 1 out, and its median lies outside the noise."""
        floor = 1 + (self.noise or 0)
        return self.ratio is not None and self.ratio.clear and not 1 / floor <= self.ratio.median <= floor


@dataclass(frozen=True)
class OwnExamples:
    """Which of the task's own examples were timed."""

    count: int
    lengths: Mapping[str, float] | None
    """Their `min`, `median` and `max` in tokens; None of what has no tokens."""


@dataclass(frozen=True)
class EndToEnd:
    """From texts to logits."""

    total: Timing
    tokenise_ms: float
    """Median of the tokeniser's part."""


@dataclass(frozen=True)
class Latency:
    """How fast a model is, and how that was measured."""

    timings: Mapping[Shape, Timing]
    """In the order measured; those on `OWN_EXAMPLES` stand last."""
    own: OwnExamples | None
    end_to_end: EndToEnd | None
    load_ms: float | None
    device: str | None
    threads: int | None
    cores: int | None
    spinning: bool | None
    busy: bool
    """Whether others used the processor meanwhile."""
    unpaired: str | None
    """Why its own examples are not those of the first model; None where they are."""


def latency_of(found: Mapping[str, Any], compared: bool) -> Latency:
    """What the evaluator `latency` gave of a model; `compared`: of another than the first."""
    timed = {Shape(text, *parse_shape(text)): one for text, one in found.get("shapes", {}).items()}
    task, whole = found.get("task"), found.get("end_to_end")
    if task:
        timed[OWN_EXAMPLES] = task
    end_to_end = None
    if whole:
        total = _timing_of({**whole["total"], "times_as_fast": whole["times_as_fast"]}, compared)
        end_to_end = EndToEnd(total, whole["tokenise"]["median_ms"])
    return Latency(
        timings={shape: _timing_of(one, compared) for shape, one in timed.items()},
        own=OwnExamples(task["examples"], task.get("lengths")) if task and "examples" in task else None,
        end_to_end=end_to_end,
        load_ms=found.get("load_ms"),
        device=found.get("device"),
        threads=found.get("threads"),
        cores=found.get("cores"),
        spinning=found.get("spinning"),
        busy=bool(found.get("machine", {}).get("busy")),
        unpaired=found.get("unpaired"),
    )


def _timing_of(found: Mapping[str, Any], compared: bool) -> Timing:
    ratio, noise = None, None
    if compared and (fast := found.get("times_as_fast")):
        ratio = Ratio(fast["median"], pair(fast.get("interval")), fast.get("clear", True))
    if "control" in found:
        low, high = found["control"]["interval"]
        noise = max(float(high), 1 / float(low)) - 1
    rounds = len(found["round_medians_ms"]) if "round_medians_ms" in found else None
    return Timing(found["median_ms"], found.get("p90_ms"), rounds, ratio, noise)


def tokens(shape: str) -> tuple[int, int]:
    """What shapes are ordered by: how many tokens one has, then its batch size."""
    batch, length = parse_shape(shape)
    return batch * (length or 0), batch


def pair(found: Any) -> Interval | None:
    """The ends of an interval; None where there is none."""
    return None if not found else (found[0], found[1])
