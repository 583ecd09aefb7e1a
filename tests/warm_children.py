"""Measuring processes as forks of a process that has imported everything, where what they answer is tested.

How the real ones start, with which variables and threads, is held by `tests/measure/test_child.py`, and that they
measure alike by `tests/measure/test_latency.py` and `tests/measure/test_accuracy.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from tests.clean_process import ended, started


class WarmChild:
    """In the place of the `Popen` of a measuring process."""

    def __init__(self, command: Sequence[str], env: dict[str, str], stderr: IO[bytes], **_pipes: Any) -> None:
        questions, asking = Pipe(duplex=False)
        answering, answers = Pipe(duplex=False)
        said = Connection(os.dup(stderr.fileno()), readable=False)
        self._process = started(_serve, (questions, answers, said), command[-2], command[-1], env)
        self.pid = self._process.pid
        self.stdin = os.fdopen(os.dup(asking.fileno()), "wb")
        self.stdout = os.fdopen(os.dup(answering.fileno()), "rb")
        for end in (questions, answers, said, asking, answering):
            end.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        return ended(self._process)


class InTheirPlace:
    """What `theseus_plugin.measure.child` uses of `subprocess`."""

    Popen = WarmChild
    PIPE = subprocess.PIPE


def _serve(streams: tuple[Connection, ...], code: str, path: str, env: dict[str, str]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["-c", path]
    exec(code, {"__name__": "__main__"})
    os.kill(os.getpid(), signal.SIGKILL)  # nothing in it is worth an orderly end
