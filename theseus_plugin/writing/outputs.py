"""Whether an output can be written at all, asked before any work starts."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from theseus_plugin.errors import UserError

_OURS = (".html", ".htm", ".jsonl")
"""What an earlier call may have left in a model's folder, to be written anew."""


def refuse_unusable(output: str | Path) -> None:
    """Say why a folder, or a file, could not be made at `output` and written; nothing is left of the attempt.

    Missing parents are no hindrance. Whether something stands there already is not asked.

    Raises:
        UserError: an empty name, one with `~` or a null character, one too long, a parent that is a file or a link to
            nothing, or a place that refuses to be written.
    """
    given = os.fspath(output)
    if not given.strip():
        raise UserError("the output has an empty name: give a path")
    if "\0" in given:
        raise UserError(f"{given}: a path cannot hold a null character: choose another output")
    if (home := os.path.expanduser(given)) != given:
        raise UserError(f"{given}: '~' has no meaning here: write {home}")
    target = Path(given)
    if target.name == ".." and not os.path.lexists(target):
        raise UserError(f"{given} names no new folder: choose another output")
    # the longest name that is in use while the output is written
    longest = f".{target.name}.partial-{os.getpid()}"
    _try_to_make(given, _nearest(given, target.with_name(longest) if target.name else target / longest))


def refuse_file(file: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """The same of a file that may stand there already, in a folder that does.

    Args:
        file: to be written.
        inputs: files and folders that are read, or written otherwise.

    Raises:
        UserError: it could not be written, or is one of the inputs, or in one.
    """
    given = os.fspath(file)
    if given.endswith("/") or os.path.isdir(given):
        raise UserError(f"{given} is a folder: give the path of a file")
    if is_special(given):
        return
    place = Path(os.path.realpath(given))
    for other in inputs:
        read = Path(os.path.realpath(other))
        inside = read in place.parents and place.exists() and place.suffix not in _OURS
        if read == place or inside:
            raise UserError(f"{given} would overwrite {other}: name another file")
    refuse_unusable(given)
    parent = Path(os.path.realpath(given)).parent
    if not parent.is_dir():
        raise UserError(f"cannot write {given}: there is no folder {parent}: make it first, or name another file")
    refuse_unusable(parent / Path(os.path.realpath(given)).name)
    if os.path.exists(given):
        try:
            Path(given).open("ab").close()
        except OSError as error:
            raise UserError(f"cannot write {given}: {error.strerror}: name another file") from None


def is_special(file: str | Path) -> bool:
    """Whether something other than a file stands there, such as a pipe or a device, which is written as it is."""
    try:
        return not stat.S_ISREG(os.stat(file).st_mode)
    except (OSError, ValueError):
        return False


def _nearest(given: str, target: Path) -> Path:
    """The first of its parents that there is."""
    for place in (target, *target.parents):
        try:
            os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise UserError(f"cannot write {given}: {error.strerror}: choose another output") from None
        if place.is_dir():
            return place
        what = f"a link to {os.readlink(place)}, which is no folder" if place.is_symlink() else "a file, not a folder"
        raise UserError(f"cannot write {given}: {place} is {what}: choose another output")
    raise UserError(f"cannot write {given}: the current folder is gone: change to another")


def _try_to_make(given: str, folder: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=".writable-", dir=folder) as made:
            Path(made, "file").write_bytes(b"written")
    except OSError as error:
        raise UserError(
            f"cannot write {given}: nothing can be made in {folder} ({error.strerror}): free space or choose another"
            " output"
        ) from None
