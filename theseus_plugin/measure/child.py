"""One process per measured model and shape.

Several runtimes in one process disturb each other. So each model gets a fresh interpreter, which shares nothing with
this process but the import path; it answers questions one at a time over pipes. While it works, this process waits in
a blocking read and uses no core, and so do the processes that have nothing to answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from theseus_plugin.errors import UserError
from theseus_plugin.measure.protocol import decode, encode

if TYPE_CHECKING:
    from theseus_plugin.measure.models import Model
    from theseus_plugin.measure.placement import Placed

# The package is found where this process finds it; the working folder is searched only if it is here too.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from theseus_plugin.measure.worker import main; main()"
)
_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Child:
    """A process that holds one model; within a `with` block, at whose end it dies. It dies with this process too.

    It begins at once to import what the model needs; `receive` waits for that once, before the first question.

    Args:
        model: the model.
        auto_class: name of the `transformers` auto class of a checkpoint.
        config: threads and device.
        spinning: whether idle threads spin, as `Session` takes it.
    """

    def __init__(self, model: Model, auto_class: str, config: Placed, spinning: bool | None = None) -> None:
        self.name = model.name
        threads = config.thread_count
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
            env=_environment(threads, spinning),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        job = {
            "runtime": model.runtime,
            "file": str(model.file),
            "auto_class": auto_class,
            "threads": threads,
            "device": config.device,
            "spinning": spinning,
        }
        self.send("prepare", **job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nothing in it is worth an orderly end
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with suppress(OSError):  # the rest of a question it died on
                    stream.close()

    def ask(self, question: str, **details: Any) -> Any:
        """The answer to a question, which is a method of `worker.Worker`; arrays may stand anywhere in either.

        Raises:
            UserError: the process raised one, or it was killed.
            RuntimeError: it failed in any other way; carries the process's traceback.
        """
        self.send(question, **details)
        return self.receive()

    def send(self, question: str, **details: Any) -> None:
        """Ask without waiting; that the process is dead is told when the answer is received."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(encode({"question": question, "details": details}))
            self._process.stdin.flush()

    def receive(self) -> Any:
        """The answer to the oldest question not answered yet. Errors as for `ask`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        answer = decode(line)
        if "refused" in answer:
            raise UserError(answer["refused"])
        if "failed" in answer:
            raise RuntimeError(f"measuring {self.name} failed\n{answer['failed']}")
        return answer["answer"]

    def _death(self) -> Exception:
        status = self._process.wait()
        if status < 0:
            return UserError(f"{self.name}: its process was killed by signal {-status}: was there enough memory?")
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        return RuntimeError(f"measuring {self.name} failed: its process ended with status {status}\n{said}")


@contextmanager
def opened(model: Model, auto_class: str, config: Placed) -> Iterator[Child]:
    """A process that holds a model and has loaded it, until the end of the block; see `Child`."""
    with Child(model, auto_class, config) as child:
        child.receive()
        child.ask("open")
        yield child


def _environment(threads: int, spinning: bool | None) -> dict[str, str]:
    """Set before anything is imported: libraries read it once. Compilers work in the process, not in others."""
    own = dict.fromkeys(_POOLS, str(threads))
    own |= {"TOKENIZERS_PARALLELISM": "false", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    if spinning is not None:
        own["OMP_WAIT_POLICY"] = "ACTIVE" if spinning else "PASSIVE"
    return {**os.environ, **own}
