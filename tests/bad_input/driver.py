"""Runs our command on bad input, each time in a fork of one process that has imported everything, and judges it."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import resource
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bad_input.world import World
from tests.clean_process import exit_code


@dataclass(frozen=True)
class Case:
    """One thing that a user did, and what the message has to say."""

    did: str
    """In one line, such as `leaves a label empty`; unique."""
    prepare: Callable[[World], Sequence[str]]
    """Makes the bad input in the current, empty folder; returns the arguments of the command."""
    says: tuple[str, ...]
    """Parts of the message: what is wrong, where, what to do."""
    status: int = 2
    begun: bool = False
    """Whether work has begun when the mistake is met, so that lines of progress may stand before the message."""
    largest_file: int | None = None
    """Bytes that a file may have, as on a disk that is full; None: as many as there are."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    error: str
    """Standard error."""
    changed: list[str]
    """Files that were added, changed or removed."""


def load(module: str) -> list[Case]:
    """The cases of a module beside this one."""
    cases: list[Case] = importlib.import_module(f"tests.bad_input.{module}").CASES
    return cases


def run(module: str, number: int, assets: Path, here: Path) -> Ended:
    """Run the command of a module's case in the empty folder `here`."""
    here.mkdir(parents=True)
    status = exit_code(_run, module, number, assets, here)
    before, after = (json.loads(Path(f"{here}.{when}").read_text()) for when in ("before", "after"))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return Ended(status or 0, Path(f"{here}.stderr").read_text(encoding="utf-8", errors="replace"), changed)


def faults(case: Case, ended: Ended) -> list[str]:
    """What is not as it has to be."""
    lines = [line for line in ended.error.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error: ")]
    found = []
    if ended.status != case.status:
        found.append(f"exit status {ended.status}")
    if "Traceback" in ended.error:
        found.append("traceback")
    if len(told) != 1 or lines[-1] != told[0] or (len(lines) > 1 and not case.begun):
        found.append(f"{len(told)} messages in {len(lines)} lines")
    found += [f"does not say {part!r}" for part in case.says if part not in (told or [""])[-1]]
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cf", "Zl", "Zp") for line in lines for character in line):
        found.append("control characters")
    found += [f"left {name}" for name in ended.changed]
    return found


def _run(module: str, number: int, assets: Path, here: Path) -> None:
    """In the fork."""
    os.chdir(here)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{here}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    case = load(module)[number]
    arguments = [str(word) for word in case.prepare(World(assets, here))]
    Path(f"{here}.before").write_text(json.dumps(_content(here)))
    from theseus_plugin.cli import main

    status = 1
    try:
        with _files_end_at(case.largest_file):
            main(arguments)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(f"{here}.after").write_text(json.dumps(_content(here)))
        os._exit(status)


@contextmanager
def _files_end_at(size: int | None) -> Iterator[None]:
    """Refuse what makes a file longer, but for what is printed, which goes through a pipe meanwhile."""
    if size is None:
        yield
        return
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = os.dup(2)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.dup2(writing, 2)
    os.close(writing)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        sys.stderr.flush()
        os.dup2(file, 2)
        os.set_blocking(reading, False)
        with suppress(BlockingIOError):
            while said := os.read(reading, 1 << 16):
                os.write(2, said)


def _content(folder: Path) -> dict[str, str]:
    """What lies in a folder: a hash by path."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else "no file"
        for path in sorted(folder.rglob("*"))
    }
