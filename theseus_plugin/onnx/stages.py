"""The stages of an export, one file that is rewritten by each, and what each did to the logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError, reason
from theseus_plugin.onnx import model_files, parity
from theseus_plugin.onnx.session import Session
from theseus_plugin.writing.disk import disk_trouble

Write = Callable[[Path, Path], Any]
"""Writes what it makes of the first file to the second; gives nothing (0, an empty mapping) if it changed nothing."""


class Stages:
    """Applies stages to `file`, keeps a stage's result only if its logits are those of the checkpoint.

    Args:
        file: the ONNX model.
        reference: logits of the checkpoint, and the batches they are for.
        tolerance: largest absolute difference of a logit that passes.
    """

    def __init__(self, file: Path, reference: parity.Reference, tolerance: float) -> None:
        self.file = file
        self.records: list[dict[str, Any]] = []
        """Per stage its `name`, whether it was `applied`, else the `reason`, and its `parity`."""
        self.reference, self._tolerance = reference, tolerance

    def require(self, name: str, write: Callable[[Path], Any]) -> None:
        """The first stage: `write` the file.

        Raises:
            UserError: its logits are not those of the checkpoint, or what `write` raises.
        """
        write(self.file)
        self.keep(name, self.check(self.file))

    def attempt(self, name: str, write: Write) -> bool:
        """A stage that can be done without: a graph of a shape it does not know is left as it is.

        Returns:
            Whether its result was kept.
        """
        try:
            agreed = self._try(write)
        except Exception as error:  # these work by pattern and fail in any way on what they do not know
            if disk_trouble(error) is not None:
                raise
            return self._leave(name, f"{type(error).__name__}: {reason(error)}")
        if agreed is None:
            return self._leave(name, "it found nothing to change")
        self._take(name, agreed)
        return True

    def insist(self, name: str, write: Write) -> None:
        """A stage that cannot be done without.

        Raises:
            UserError: it changed nothing, or changed the logits too much; and what `write` raises.
        """
        try:
            agreed = self._try(write)
        except UserError as error:
            raise UserError(f"stage {name!r}: {error}") from error
        if agreed is None:
            raise UserError(f"stage {name!r} found nothing to change in the graph: nothing was kept; tell its author")
        self._take(name, agreed)

    @property
    def opset(self) -> int:
        """The version of the ONNX operators in the file, which the exporter may have had to raise."""
        versions = {entry.domain: int(entry.version) for entry in model_files.load_graph(self.file).opset_import}
        return versions[""]

    def check(self, file: Path) -> dict[str, Any]:
        """Parity of a file with the checkpoint; see `parity.check`."""
        return parity.check(Session(file).run, self.reference, self._tolerance)

    def keep(self, name: str, agreed: Mapping[str, Any], **facts: Any) -> None:
        """Record a stage whose result stands in `file`."""
        self.records.append({"name": name, "applied": True, "parity": agreed, "nodes": operators(self.file), **facts})

    @property
    def _candidate(self) -> Path:
        return self.file.with_name("candidate.onnx")

    def _try(self, write: Write) -> dict[str, Any] | None:
        """Write the candidate, which stays if it passes; its parity, or None where nothing was changed."""
        agreed = None
        try:
            if write(self.file, self._candidate):
                agreed = self.check(self._candidate)
        finally:
            if agreed is None:
                model_files.remove(self._candidate)
        return agreed

    def _take(self, name: str, agreed: Mapping[str, Any]) -> None:
        model_files.move(self._candidate, self.file)
        self.keep(name, agreed)

    def _leave(self, name: str, why: str) -> bool:
        self.records.append({"name": name, "applied": False, "reason": why})
        return False


def rewrite(change: Callable[[Any], int]) -> Write:
    """A stage out of a function that changes a graph and tells in how many places; the weights stay where they are."""

    def write(source: Path, target: Path) -> int:
        model = model_files.load_graph(source)
        changed = change(model.graph)
        if changed:
            target.write_bytes(model.SerializeToString())
        return changed

    return write


def name_nodes(graph: Any) -> int:
    """Give every node a name of its own, and tell how many had none."""
    seen: set[str] = set()
    changed = 0
    for place, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}"
            changed += 1
        seen.add(node.name)
    return changed


def operators(file: Path) -> dict[str, int]:
    """How many nodes of each operator the graph has."""
    graph = model_files.load_graph(file).graph
    return dict(sorted(Counter(node.op_type for node in graph.node if node.op_type != "Constant").items()))
