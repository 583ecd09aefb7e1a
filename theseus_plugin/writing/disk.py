"""What libraries say when the file system refuses."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

_REFUSALS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENAMETOOLONG,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
}
_NUMBERS = (r"os error (\d+)", r"\[Errno (\d+)\]", r"SystemError : (\d+)", r"system error number (\d+)")
"""How Rust, Python, ONNX Runtime and its C++ pass the system's number on in a text."""
_WORDS = {os.strerror(number): number for number in _REFUSALS if number not in (errno.EPERM, errno.EACCES)} | {
    "StorageFull": errno.ENOSPC,
    "FileTooLarge": errno.EFBIG,
    "QuotaExceeded": errno.EDQUOT,
    "ReadOnlyFilesystem": errno.EROFS,
    "PermissionDenied": errno.EACCES,
}
"""The system's own words, and Rust's names."""
_UNTOLD = (
    "PytorchStreamWriter",
    "unexpected pos",
    "basic_ios::clear",
    "iostream error",
    "ios_base::failbit",
    "Protobuf serialization failed",
)
"""Signs of writers in C++ that tell only that they could not go on."""


def disk_trouble(error: BaseException) -> str | None:
    """Why the file system refused, as the system words it; None for any other failure.

    Libraries wrap the system's error in their own, or pass it on as text: all that led to `error` is looked at. What
    is in the user's words already stays as it is.
    """
    if getattr(error, "mendable", False) or not isinstance(error, Exception):
        return None
    return next((found for one in _origins(error) if (found := _said(one)) is not None), None)


def _origins(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it came from, each once."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _said(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return os.strerror(error.errno)  # `strerror` of some libraries' errors tells more than that
    text = str(error)[-4000:]
    for pattern in _NUMBERS:
        for number in re.findall(pattern, text):
            if int(number) in _REFUSALS:
                return os.strerror(int(number))
    for words, number in _WORDS.items():
        if words in text:
            return os.strerror(number)
    if any(sign in text for sign in _UNTOLD):
        return "the disk is full or refuses to be written"
    return None
