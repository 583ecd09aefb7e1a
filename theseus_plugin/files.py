"""Output folders that are complete or absent."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from theseus_plugin.errors import UserError


def refuse_existing(folder: str | Path) -> None:
    """Say before any work starts that `folder` is taken.

    Raises:
        UserError: something stands at `folder` already.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder} exists already: choose another output, or remove it first")


def means_a_path(name: str) -> bool:
    """Whether a name that may be a folder or something on the hub can only be a folder."""
    return Path(name).expanduser().is_absolute() or name.startswith(".") or name.count("/") > 1


@contextmanager
def complete_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` when the block ends well and removed when it does not.

    Raises:
        UserError: `folder` exists already, or the disk was full or refused the write.
    """
    target = Path(folder)
    refuse_existing(target)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    _remove_abandoned(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = disk_trouble(error)
        if reason is None:
            raise
        raise UserError(
            f"cannot write {target}: {reason}; nothing was kept, free space or choose another output"
        ) from error


def _remove_abandoned(target: Path) -> None:
    """What processes left that were killed while they wrote `target`."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        process = left.name.rpartition("-")[2]
        if not (process.isdigit() and psutil.pid_exists(int(process))):
            shutil.rmtree(left, ignore_errors=True)


_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG}


def disk_trouble(error: BaseException) -> str | None:
    """Why the file system refused, or None for any other failure."""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return os.strerror(error.errno)  # `strerror` of some libraries' errors tells more than that
    # safetensors writes in Rust and passes the system's error on as text
    if type(error).__name__ == "SafetensorError":
        number = re.search(r"os error (\d+)", str(error))
        if number and int(number[1]) in _REFUSALS:
            return os.strerror(int(number[1]))
        return os.strerror(errno.ENOSPC) if "StorageFull" in str(error) else None
    # and torch in C++, which tells only that it could not finish its archive
    if isinstance(error, RuntimeError) and ("PytorchStreamWriter" in str(error) or "unexpected pos" in str(error)):
        return "the disk is full or refuses to be written"
    return None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; refuses NaN, which is not JSON."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: `path` is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise UserError(f"{path}: not valid JSON (nested too deeply)") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None


def sha256(*files: Path) -> str:
    """Hash of the content of a file, or of several one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()
