"""Processes of the tests that die on the way, or that each need a process as it is at the start.

They are no forks of the tests' own process: a lock that another thread of it holds at that moment is never released in
a fork. A server without threads, which has imported what takes long, forks them.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

from tests.patience import SECONDS, late

_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.preloaded"])


def started(target: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Begin to run a function of a module in a process of its own, whose end `ended` waits for."""
    process = _SERVER.Process(target=target, args=arguments, daemon=True)  # one that hangs does not keep us from ending
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """The exit status of a process; minus the number of the signal that killed it."""
    process.join(SECONDS)
    assert process.exitcode is not None, late(process.pid)
    return process.exitcode


def exit_code(target: Callable[..., Any], *arguments: Any) -> int:
    """Run a function of a module in a process of its own; its exit status, as `ended` gives it."""
    return ended(started(target, *arguments))
