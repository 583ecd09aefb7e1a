"""One process at a time writes an output."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from theseus_plugin.errors import UserError
from theseus_plugin.launching.ranks import is_first_process
from theseus_plugin.writing.outputs import refuse_unusable

try:
    import fcntl
except ModuleNotFoundError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

_HELD: set[tuple[int, str]] = set()
"""Locks by process: one that is forked has none of its parent's."""
_ATTEMPTS = 100


@contextmanager
def claimed(*outputs: str | Path) -> Iterator[None]:
    """Keep other processes from writing `outputs`, which need not be there, within the block.

    The lock is the system's, on a file `.NAME.lock` beside each: it ends with the process, however that ends. Of the
    processes of one run the first one holds it. A process may claim what it holds already. Missing parents are made,
    and removed at the end where nothing was written into them.

    Raises:
        UserError: another process holds one of them, or it cannot be written.
    """
    with ExitStack() as stack:
        for output in outputs:
            stack.enter_context(_claimed(Path(output), os.fspath(output)))
        yield


@contextmanager
def _claimed(output: Path, given: str) -> Iterator[None]:
    refuse_unusable(given)
    target = Path(os.path.realpath(output.parent), output.name)
    key = os.getpid(), str(target)
    taken = target.name in ("", "..")  # it is there, and none to be written
    if fcntl is None or key in _HELD or taken or not is_first_process():
        yield
        return
    made = [parent for parent in target.parents if not parent.exists()]
    lock = target.with_name(f".{target.name}.lock")
    try:
        descriptor = _locked(lock, given)
        _HELD.add(key)
        try:
            yield
        finally:
            _HELD.discard(key)
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)
    finally:
        for parent in made:
            with suppress(OSError):  # something was written into it
                parent.rmdir()


def _locked(lock: Path, given: str) -> int:
    """An open file with the lock; without it where the file system knows no locks."""
    for _ in range(_ATTEMPTS):
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # another process has just removed the folders that it had made
            continue
        except OSError as error:
            raise UserError(f"cannot write {given}: {error.strerror} ({lock}): choose another output") from None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                holder = os.read(descriptor, 300).decode(errors="replace").strip() or "another process"
                os.close(descriptor)
                raise UserError(
                    f"{given} is being written by {holder}: wait for it, or choose another output"
                ) from None
            return descriptor
        if _is_at(descriptor, lock):
            with suppress(OSError):  # on a full disk it goes without the name
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
            return descriptor
        os.close(descriptor)  # the one that held it has removed it
    raise UserError(f"{given}: other processes are writing there: wait for them, or choose another output")


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False
