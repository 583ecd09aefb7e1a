"""Output folders that are complete or absent, files that are complete or as before, and the JSON in them."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from theseus_plugin.errors import UserError
from theseus_plugin.writing.claims import claimed
from theseus_plugin.writing.disk import disk_trouble
from theseus_plugin.writing.outputs import is_special, refuse_unusable


def refuse_existing(folder: str | Path) -> None:
    """Say before any work starts that `folder` is taken, or could not be written.

    Raises:
        UserError: something stands at `folder` already, or what `refuse_unusable` refuses.
    """
    given = os.fspath(folder)
    if given.strip() and "\0" not in given and os.path.lexists(given):
        if os.path.islink(given) and not os.path.exists(given):
            raise UserError(f"{given} is a link to {os.readlink(given)}, which is not there: remove the link")
        raise UserError(f"{given} exists already: choose another output, or remove it first")
    refuse_unusable(given)


def means_a_path(name: str) -> bool:
    """Whether a name that may be a folder or something on the hub can only be a folder."""
    return Path(name).expanduser().is_absolute() or name.startswith(".") or name.count("/") > 1


@contextmanager
def complete_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` when the block ends well and removed when it does not.

    Raises:
        UserError: `folder` exists already, another process writes it, or the disk was full or refused the write.
    """
    refuse_existing(folder)
    target = Path(folder)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    with claimed(target):
        refuse_existing(folder)
        _remove_abandoned(target)
        with _refusals_in_words(target, "nothing was kept, free space or choose another output"):
            try:
                partial.mkdir(parents=True)
                yield partial
                _publish(partial, target)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise


def write_file(file: str | Path, text: str) -> None:
    """Write a file that is complete or as it was before.

    Raises:
        UserError: the disk was full or refused the write.
    """
    with _refusals_in_words(file, "free space or name another file"):
        _replace(Path(file), text)


def append_lines(file: str | Path, lines: Sequence[str]) -> None:
    """Add lines to a file, all of them or none; one that is not there is made.

    Raises:
        UserError: the disk was full or refused the write.
    """
    with _refusals_in_words(file, "free space or name another file"), Path(file).open("ab", buffering=0) as stream:
        content = "".join(f"{line}\n" for line in lines).encode()
        before = os.fstat(stream.fileno()).st_size
        try:
            while content:
                content = content[stream.write(content) :]
        except OSError:
            if before:
                stream.truncate(before)
            elif not is_special(file):
                Path(file).unlink()
            raise


@contextmanager
def _refusals_in_words(output: str | Path, what_to_do: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        reason = disk_trouble(error)
        if reason is None:
            raise
        refused = str(getattr(error, "filename", None) or "")
        where = f" ({refused})" if refused and ".partial-" not in refused else ""
        raise UserError(f"cannot write {output}: {reason}{where}; {what_to_do}") from error


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise UserError(f"{target} was made by another process meanwhile: choose another output") from error


def _replace(file: Path, text: str) -> None:
    content = text.encode("utf-8", errors="backslashreplace")  # names of files may hold what is no text
    if is_special(file):
        file.write_bytes(content)
        return
    target = Path(os.path.realpath(file))
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(content)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _remove_abandoned(target: Path) -> None:
    """What processes left that were killed while they wrote `target`."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        process = left.name.rpartition("-")[2]
        if not (process.isdigit() and psutil.pid_exists(int(process))):
            shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, all of it or not at all; refuses NaN, which is not JSON."""
    _replace(path, as_json(value))


def as_json(value: Any) -> str:
    """The text that `write_json` writes."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


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
