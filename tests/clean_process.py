"""Processes of the tests that die on the way, or that each need a process as it is at the start.

They are no forks of the tests' own process: a lock that another thread of it holds at that moment is never released in
a fork. A server without threads, which has imported what takes long, forks them.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "theseus_plugin.methods.replacing.build",
        "theseus_plugin.fitting.plain",
        "theseus_plugin.onnx.export",
        "theseus_plugin.measure.accuracy",
        "transformers.models.bert.modeling_bert",
        "datasets",
        "sklearn.metrics",
        "onnxruntime",
    ]
)
_PATIENCE = 300
"""Seconds."""


def exit_code(target: Callable[..., Any], *arguments: Any) -> int | None:
    """Run a function of a module in a process of its own; minus the number of the signal that killed it."""
    process = _SERVER.Process(target=target, args=arguments, daemon=True)  # one that hangs does not keep us from ending
    process.start()
    process.join(_PATIENCE)
    assert not process.is_alive()
    return process.exitcode
