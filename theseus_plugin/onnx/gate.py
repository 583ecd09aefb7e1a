"""Whether a lower precision costs too much, and which nodes to spare if it does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.finite import NotFinite
from theseus_plugin.metric_scale import Scale
from theseus_plugin.onnx import model_files

Lower = Callable[[Path, Path, Sequence[str]], None]
"""Writes the first file to the second with the named nodes in a lower precision."""
_ADVICE = "allow a larger --max-drop, spare other nodes with --leave-out, or export in fp32"


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
            UserError: no such node, none at all, or the metric drops too far in any case, or logits are not finite.
        """
        for name in leave_out:
            if name not in nodes:
                raise UserError(f"no node {name!r} that {self._precision} changes: {did_you_mean(name, set(nodes))}")
        chosen = [name for name in nodes if name not in leave_out]
        if not chosen:
            raise UserError(f"{self._precision} finds no node to change in this graph: export it in fp32")
        before = self._score(source)
        drops: list[float] = []
        overflow: NotFinite | None = None
        for spared in self._spared(source, target, chosen):
            self._write(source, target, [name for name in chosen if name not in spared])
            try:
                after = self._score(target)
            except NotFinite as error:
                overflow = error
                drops.append(math.inf)
                continue
            drops.append(self._scale.lost(before, after))
            if drops[-1] <= self._max_drop:
                left_out = [name for name in nodes if name in leave_out or name in spared]
                facts = {"before": before, "after": after, "drop": drops[-1], "max_drop": self._max_drop}
                return {**facts, "left_out": left_out}
        model_files.remove(target)
        raise UserError(f"{self._failure(drops, spared, overflow)}: nothing was kept; {_ADVICE}")

    def _failure(self, drops: Sequence[float], spared: Sequence[str], overflow: NotFinite | None) -> str:
        """What came of all nodes in the lower precision, and of half of them."""
        with_spared = f"with the {len(spared)} most sensitive nodes spared"
        if math.isinf(drops[-1]):
            return f"{overflow}" + (f", also {with_spared}" if spared else "")
        allowed = f"(allowed: {self._max_drop:g})"
        first = "gives logits that are not finite"
        if not math.isinf(drops[0]):
            first = f"costs {drops[0]:.2f} {self._scale.unit} of the metric"
        return f"{self._precision} {first} {allowed}" + (f", {drops[-1]:.2f} {with_spared}" if spared else "")

    def _spared(self, source: Path, target: Path, nodes: Sequence[str]) -> Iterator[list[str]]:
        """What to leave in the old precision: nothing, then the most sensitive nodes, twice as many each time."""
        yield []
        ranked = self._by_sensitivity(source, target, nodes)
        count = 1
        while count < len(nodes) / 2:
            yield ranked[:count]
            count *= 2
        yield ranked[: len(nodes) // 2]

    def _write(self, source: Path, target: Path, nodes: Sequence[str]) -> None:
        model_files.remove(target)  # what writes weights beside a model appends to a file that is there
        self._lower(source, target, nodes)

    def _by_sensitivity(self, source: Path, target: Path, nodes: Sequence[str]) -> list[str]:
        """Nodes by how far each of them alone moves the logits, the farthest first."""
        exact = self._logits(source)
        moved = {}
        for name in nodes:
            self._write(source, target, [name])
            with np.errstate(invalid="ignore"):
                apart = float(np.abs(self._logits(target) - exact).mean())
            moved[name] = apart if math.isfinite(apart) else math.inf
        return sorted(nodes, key=lambda name: -moved[name])
