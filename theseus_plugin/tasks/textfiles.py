"""Text files as every reader here takes them: UTF-8, with or without a byte order mark; only LF and CRLF end a line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from theseus_plugin.errors import UserError

BLANK = " \t"
"""What separates and what surrounds; every other character, such as a non-breaking space, is text."""
COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_UTF_16 = "text in UTF-16: save it as UTF-8"
_NO_TEXT = {
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    b"\x1f\x8b": "compressed: let its name end in .gz",
    b"BZh": "compressed: let its name end in .bz2",
    b"\xfd7zXZ": "compressed: let its name end in .xz",
    b"PK\x03\x04": "a ZIP archive, as spreadsheets are: save the text itself",
    b"PAR1": "Parquet: let its name end in .parquet",
}
"""What a file is that begins so."""


def existing_file(path: str | Path, called: str | None = None) -> Path:
    """The file of that name; `~` is the home folder.

    Args:
        path: its name.
        called: what messages call it; default: its name.

    Raises:
        UserError: there is none, it cannot be reached, or it is a folder, a pipe or the like.
    """
    called = called or str(path)
    try:
        file = Path(path).expanduser()
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{called}: no such file") from None
    except OSError as error:
        raise UserError(f"{called}: cannot be read ({os.strerror(error.errno or 0)})") from None
    except (RuntimeError, ValueError) as error:  # the home of nobody, a NUL
        raise UserError(f"{called!r}: no such file ({error})") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{called}: no such file, it is a folder: name a file in it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{called}: a pipe, socket or device, not a file: save what it gives in a file")
    return file


@contextmanager
def open_text(path: str | Path, called: str | None = None) -> Iterator[TextIO]:
    """The text of a file; compressed if its name ends so. Iterated over, it gives lines with their LF. Arguments are
    those of `existing_file`.

    Raises:
        UserError: there is no such file, or what is read within the block is no text in UTF-8.
    """
    called = called or str(path)
    file = existing_file(path, called)
    try:
        with COMPRESSED.get(file.suffix, open)(file, "rb") as stream:
            _require_text(called, stream.peek(8))
            with TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as text:
                yield text
    except UnicodeDecodeError as error:
        raise UserError(f"{called}: cannot be read ({error}): save it as UTF-8") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        said = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise UserError(f"{called}: cannot be read ({said}): check the file") from None


def lines(stream: Iterable[str]) -> Iterator[str]:
    """The lines without their ends, of which CR CR LF is one: what Windows makes of CRLF that is written as text."""
    for line in stream:
        yield line.rstrip("\r\n")


def fields(line: str) -> list[str]:
    """What spaces and tabs separate."""
    return [field for part in line.split("\t") for field in part.split(" ") if field]


def _require_text(called: str, begin: bytes) -> None:
    marked = (what for mark, what in _NO_TEXT.items() if begin.startswith(mark))
    if what := next(marked, _UTF_16 if b"\0" in begin[:2] else None):
        raise UserError(f"{called}: this is {what}")
