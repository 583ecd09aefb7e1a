"""Our command, and processes of one run, in forks of a process that has imported what takes seconds.

They are like those of a shell and of a launcher but for the start of Python: arguments, variables, current folder,
streams and exit status are their own. Where the start itself is tested (the console script, `accelerate launch`,
torchrun, what is imported when), tests start a real process.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.clean_process import ended, started
from tests.commands import COMMAND

Ended = subprocess.CompletedProcess[str]
Variables = Mapping[str, str]


def command(*arguments: str, cwd: str | Path = ".", env: Variables | None = None) -> Ended:
    """`theseus-plugin ARGUMENTS`; `env` adds to the variables of this process."""
    [process] = _run([dict(env or {})], Path(cwd).resolve(), _command, arguments)
    return process


def called(target: Callable[..., Any], *arguments: Any, env: Variables | None = None) -> Ended:
    """A function of a module as the main program of a process."""
    [process] = _run([dict(env or {})], Path.cwd(), target, *arguments)
    return process


def two_ranks(target: Callable[..., Any], *arguments: Any, env: Variables | None = None) -> list[Ended]:
    """A function of a module as the program of two processes of one run on CPU, with the variables that torchrun sets.

    Nobody ends one of them because the other has failed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"ACCELERATE_USE_CPU": "true", **(env or {})}
    ranks = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    return _run(ranks, Path.cwd(), target, *arguments)


def two_commands(*arguments: str) -> list[Ended]:
    """`theseus-plugin ARGUMENTS` in two processes of one run on CPU; see `two_ranks`."""
    return two_ranks(_command, arguments)


def right(*processes: Ended) -> None:
    """See that all have ended well."""
    for process in processes:
        assert process.returncode == 0, process.stderr[-3000:]


def _run(environments: list[dict[str, str]], folder: Path, target: Callable[..., Any], *arguments: Any) -> list[Ended]:
    """A process for each environment, all at the same time."""
    with tempfile.TemporaryDirectory() as place:
        streams = [(Path(place, f"{number}.out"), Path(place, f"{number}.err")) for number in range(len(environments))]
        processes = [
            started(_fork, environment, folder, said, target, arguments)
            for environment, said in zip(environments, streams, strict=True)
        ]
        statuses = [ended(process) for process in processes]
        texts = [[stream.read_text(encoding="utf-8", errors="replace") for stream in said] for said in streams]
    return [Ended([target.__name__], status, *said) for status, said in zip(statuses, texts, strict=True)]


def _fork(
    environment: dict[str, str], folder: Path, said: tuple[Path, Path], target: Callable[..., Any], arguments: Any
) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in zip((1, 2), said, strict=True):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, stream)
        os.close(file)
    target(*arguments)


def _command(arguments: tuple[str, ...]) -> None:
    from theseus_plugin.cli import main

    sys.argv = [COMMAND, *arguments]
    main()
