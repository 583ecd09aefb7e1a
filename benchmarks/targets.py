"""What the exports should reach, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

SHAPE = "32x64"
NOISE = 0.01


class Target(NamedTuple):
    """What something should reach, beside what was measured."""

    name: str
    value: str
    target: str
    reached: bool

    @property
    def text(self) -> str:
        """As it is printed."""
        return f"- {self.name}: {self.value}; target: {self.target}{'' if self.reached else ' - FALLS SHORT'}"


def exported(rows: Sequence[Mapping[str, Any]], peak: Mapping[str, Any]) -> list[Target]:
    """Every target that the rows of `benchmarks.successors` hold enough for; the first row is the predecessor."""
    by_name = {row["model"]: row for row in rows}
    predecessor = rows[0]["model"].removesuffix("-fp32")
    successors = [name.removesuffix("-fp32") for name in by_name if name.endswith("-fp32")][1:]
    found = []
    for successor in successors:
        ours = by_name[f"{successor}-fp32"]
        if f"{successor}-optimum-o3" in by_name:
            found.append(_against_optimum(ours, by_name[f"{successor}-optimum-o3"]))
        found.append(_faster(f"{successor}, fp32, against {predecessor}, fp32", ours, 1.97))
        found.append(
            _faster(f"{successor}, int8, against {predecessor}, fp32", by_name[f"{successor}-int8-dynamic"], 5.5)
        )
        found.append(_drop(by_name[f"{successor}-int8-dynamic"]))
    if peak:
        low, high = peak["interval"]
        value = (
            f"{peak['share']:.1%} of {peak['peak_gflops']:.0f} GFLOP/s ({low:.1%} to {high:.1%}); "
            f"{peak['share_of_fastest']:.1%} of the fastest product found; "
            f"{peak['nominal_share']:.1%} if the products left out counted"
        )
        found.append(Target(f"matrix products at {peak['shape']}", value, "at least 92 %", peak["share"] >= 0.92))
    return [*found, _control(rows[0])]


def falls_short(lines: Sequence[Target]) -> list[str]:
    """Those that do not reach their target, in words."""
    return [line.text for line in lines if not line.reached]


def _against_optimum(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Target:
    """Time against time in each round, through the first model."""
    shares = {}
    for shape, timed in ours["latency"]["shapes"].items():
        other = theirs["latency"]["shapes"][shape]["times_as_fast"]["rounds"]
        shares[shape] = float(np.median(np.array(other) / np.array(timed["times_as_fast"]["rounds"])))
    value = ", ".join(f"{share:.2f}x at {shape}" for shape, share in shares.items())
    return Target(f"{ours['model']}, time against Optimum's O3", value, "at most 1.00x", max(shares.values()) <= 1)


def _faster(name: str, row: Mapping[str, Any], target: float) -> Target:
    ratios = {shape: timed["times_as_fast"] for shape, timed in row["latency"]["shapes"].items()}
    value = ", ".join(
        f"{ratio['median']:.2f}x ({ratio['interval'][0]:.2f}-{ratio['interval'][1]:.2f}) at {shape}"
        for shape, ratio in ratios.items()
    )
    return Target(name, value, f"at least {target}x at {SHAPE}", ratios[SHAPE]["median"] >= target)


def _drop(row: Mapping[str, Any]) -> Target:
    accuracy = row["accuracy"]
    difference = accuracy["difference"][accuracy["metric"]]
    low, high = (100 * value for value in difference["interval"])
    value = f"{100 * difference['value']:+.2f} points of {accuracy['metric']} ({low:+.2f} to {high:+.2f})"
    return Target(f"{row['model']}, metric", value, "at most 0.5 lost", difference["value"] >= -0.005)


def _control(row: Mapping[str, Any]) -> Target:
    ratios = {shape: timed["control"]["median"] for shape, timed in row["latency"]["shapes"].items()}
    value = ", ".join(f"{ratio:.3f} at {shape}" for shape, ratio in ratios.items())
    worst = max(abs(ratio - 1) for ratio in ratios.values())
    return Target("A/A control, ratio of medians", value, "within 1 %", worst <= NOISE)
