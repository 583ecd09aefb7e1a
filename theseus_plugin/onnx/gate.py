"""Whether a lower precision costs too much, and which nodes to spare if it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.scale import Scale

Lower = Callable[[Path, Path, Sequence[str]], None]
"""Writes the first file to the second with the named nodes in a lower precision."""


class Gate:
    """Lowers the precision of a model as far as its metric allows.

    Args:
        precision: what it is called in messages.
        lower: does it.
        score: the task's metric of a file, on all validation examples.
        logits: logits of a file on a few examples, to rank the nodes by.
        max_drop: how much of the metric it may cost, as `scale.lost` counts it.
        scale: that of the metric.
    """

    def __init__(
        self,
        precision: str,
        lower: Lower,
        score: Callable[[Path], float],
        logits: Callable[[Path], np.ndarray],
        max_drop: float,
        scale: Scale,
    ) -> None:
        self._precision, self._lower, self._score, self._logits = precision, lower, score, logits
        self._max_drop, self._scale = max_drop, scale

    def apply(self, source: Path, target: Path, nodes: Sequence[str], leave_out: Sequence[str] = ()) -> dict[str, Any]:
        """Write `source` to `target` with as many of `nodes` as pass in the lower precision.

        All but `leave_out` first. If that costs more than allowed, the nodes that move the logits most stay as they
        are too: one, two, four and so on, up to half of all.

        Returns:
            The metric `before` and `after`, the `drop` in points or per cent, `max_drop`, and the nodes `left_out`.

        Raises:
            UserError: no such node, none at all, or the metric drops too far in any case.
        """
        for name in leave_out:
            if name not in nodes:
                raise UserError(f"no node {name!r} that {self._precision} changes: {did_you_mean(name, set(nodes))}")
        chosen = [name for name in nodes if name not in leave_out]
        if not chosen:
            raise UserError(f"{self._precision} finds no node to change in this graph: export it in fp32")
        before = self._score(source)
        drops: list[float] = []
        for spared in self._spared(source, target, chosen):
            self._lower(source, target, [name for name in chosen if name not in spared])
            after = self._score(target)
            drops.append(self._scale.lost(before, after))
            if drops[-1] <= self._max_drop:
                left_out = [name for name in nodes if name in leave_out or name in spared]
                facts = {"before": before, "after": after, "drop": drops[-1], "max_drop": self._max_drop}
                return {**facts, "left_out": left_out}
        target.unlink(missing_ok=True)
        also = f", {drops[-1]:.2f} with the {len(spared)} most sensitive nodes spared" if spared else ""
        raise UserError(
            f"{self._precision} costs {drops[0]:.2f} {self._scale.unit} of the metric "
            f"(allowed: {self._max_drop:g}){also}: nothing was kept; allow a larger --max-drop, or export in fp32"
        )

    def _spared(self, source: Path, target: Path, nodes: Sequence[str]) -> Iterator[list[str]]:
        """What to leave in the old precision: nothing, then the most sensitive nodes, twice as many each time."""
        yield []
        ranked = self._by_sensitivity(source, target, nodes)
        count = 1
        while count < len(nodes) / 2:
            yield ranked[:count]
            count *= 2
        yield ranked[: len(nodes) // 2]

    def _by_sensitivity(self, source: Path, target: Path, nodes: Sequence[str]) -> list[str]:
        """Nodes by how far each of them alone moves the logits, the farthest first."""
        exact = self._logits(source)
        moved = {}
        for name in nodes:
            self._lower(source, target, [name])
            moved[name] = float(np.abs(self._logits(target) - exact).mean())
        return sorted(nodes, key=lambda name: -moved[name])
