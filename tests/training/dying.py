"""Runs that end in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from theseus_plugin.methods.replacing.phases import ReplacingPhase


class Stopped(Exception):
    """Ends a run in the middle, as if it had been killed."""


@contextmanager
def stopped_before(step: int) -> Iterator[None]:
    """Within the block a run is made, which is stopped before a step."""
    from theseus_plugin.training import loop

    original = loop._Run._step

    def spied(self: Any, phase: Any) -> None:
        if self.position.step == step:
            raise Stopped
        original(self, phase)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Run, "_step", spied)
        with pytest.raises(Stopped):
            yield


def die_at(where: str, number: int, how: signal.Signals) -> None:
    """Let this process send itself a signal at a step, right after an evaluation, within the writing of a checkpoint,
    between the phases, or while the result is written.
    """

    from theseus_plugin.training import loop, run
    from theseus_plugin.training.resuming import snapshot

    def at_step(training: Any, *_: Any) -> bool:
        return bool(training.position.step == number)

    def in_folder(_: Any, path: Path) -> bool:
        return path.parent.name == f".step-{number}.partial"

    owner, name, when, before = {
        "step": (loop._Run, "_step", at_step, True),
        "evaluation": (loop._Run, "_evaluate", at_step, False),
        "writing": (snapshot, "save_file", in_folder, False),
        "between": (ReplacingPhase, "finish", lambda *_: True, True),
        "publishing": (run, "model_card", lambda *_: True, True),
    }[where]
    original = getattr(owner, name)

    def spied(*arguments: Any) -> Any:
        now = when(*arguments)
        if now and before:
            os.kill(os.getpid(), how)
        result = original(*arguments)
        if now:
            os.kill(os.getpid(), how)
        return result

    setattr(owner, name, spied)
