"""Tables in text files, with nothing in their cells reinterpreted: CSV and TSV as text, JSON as the types it has."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, TextIO

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.textfiles import BLANK, lines, open_text

Columns = dict[str, list[Any]]
"""The values of every column by its name; None: there is none in the row."""
_CR = "\udc0d"
"""Stands for a CR that ends no line where csv would take it for an end; no text in UTF-8 holds it."""


def read_separated(path: str, separator: str, literal: bool) -> tuple[Columns, set[str]]:
    """The columns of a CSV or TSV, all of text; and the names that its header gives to several, of which the first
    has it.

    Args:
        path: the file.
        separator: between cells.
        literal: quotes are text; else they surround cells, as in CSV.

    Raises:
        UserError: no such file, not text, a row longer than the header, or quotes that do not match.
    """
    with open_text(path) as stream:
        rows = _literal(stream, separator) if literal else _quoted(stream, path, separator)
        header = next(rows, [])
        names = _named(header)
        found: list[Sequence[str | None]] = []
        for row in rows:
            if len(row) > len(names):
                told = repr(header[0]) if len(header) == 1 else str(len(header))
                raise UserError(
                    f"{path}, row {len(found) + 1}: {len(row)} cells, but the header has {told}: fix the row"
                    + ("" if literal else ", or quote cells that hold the separator")
                )
            found.append(row if len(row) == len(names) else [*row, *[None] * (len(names) - len(row))])
    columns = zip(*found, strict=True) if found else ([] for _ in names)
    return dict(zip(names, map(list, columns), strict=True)), {name for name in header if header.count(name) > 1}


def read_json(path: str) -> Columns:
    """The columns of JSON Lines, of objects that are spread over lines, of an array of objects, or of one object of
    arrays that is spread over lines.

    Raises:
        UserError: no such file, not text, not JSON, or JSON of another shape.
    """
    with open_text(path) as stream:
        values = _values(stream, path)
        first = list(islice(values, 2))
        if len(first) == 1 and isinstance(first[0].value, list):
            return _of_records(first[0].value, path)
        if len(first) == 1 and first[0].spread and (columns := _arrays(first[0].value)):
            return columns
        return _of_records((one.value for one in chain(first, values)), path)


def _of_records(records: Iterable[Any], path: str) -> Columns:
    columns: Columns = {}
    for row, record in enumerate(records, start=1):
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict):
            raise UserError(f'{path}, row {row}: no JSON object, as {{"text": ...}}: give one for each row')
        for name, value in record.items():
            if name not in columns:  # which the rows before lack
                columns[name] = [None] * (row - 1)
            columns[name].append(value)
        if len(record) < len(columns):
            for name in columns.keys() - record.keys():
                columns[name].append(None)
    return columns


def _named(header: Sequence[str]) -> list[str]:
    """Names that are there once: what has none, or one that is taken, gets one as pandas gives it."""
    names: list[str] = []
    for at, name in enumerate(header):
        own, number = name or f"Unnamed: {at}", 0
        while own in names:
            number += 1
            own = f"{name}.{number}"
        names.append(own)
    return names


def _literal(stream: Iterable[str], separator: str) -> Iterator[list[str]]:
    return (line.split(separator) for line in lines(_with_ends(stream)) if line.strip(" "))


def _quoted(stream: TextIO, path: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(map(_kept, _with_ends(stream)), delimiter=separator, strict=True)
    blank = BLANK.replace(separator, "")
    begin = 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and row[0] and not row[0].strip(blank)):
                yield [cell.replace(_CR, "\r") for cell in row] if _CR in "".join(row) else row
            begin = reader.line_num + 1
    except csv.Error as error:
        what = "a quote is never closed" if "unexpected end" in str(error) else "text behind a closing quote"
        raise UserError(
            f"{path}, line {begin}: {what}: double the quotes within a quoted cell, or set quoting: literal if "
            "quotes are text"
        ) from None


def _with_ends(stream: Iterable[str]) -> Iterator[str]:
    """Lines with their LF, which they get where only a CR ends each of them, as on an old Macintosh."""
    first = next(iter(stream), "")
    if "\r" in first and "\n" not in first:
        yield from (f"{line}\n" for line in first.split("\r"))
    else:
        yield first
        yield from stream


def _kept(line: str) -> str:
    if "\r" not in line:
        return line
    body = line.rstrip("\r\n")
    return body.replace("\r", _CR) + line[len(body) :]


class _Value(NamedTuple):
    value: Any
    spread: bool
    """Over several lines, or one of several on a line."""


def _values(stream: TextIO, path: str) -> Iterator[_Value]:
    """JSON values: one a line, and from the first that is none on, one behind the other."""
    number = 0
    for line in stream:
        number += 1
        # without its end, so that what is missing there is missing in this line
        if not (body := line.rstrip(_SPACE)):
            continue
        try:
            value, end = _decoded(body, 0)
        except (ValueError, RecursionError) as error:
            # what ends so goes on in the next line
            alone = None if body.endswith(("{", "[", ",", ":")) else error
            break
        if end < len(body):
            alone = None
            break
        yield _Value(value, spread=False)
    else:
        return
    text, at = line + stream.read(), 0
    while at < len(text):
        try:
            value, at = _decoded(text, at)
        except (ValueError, RecursionError) as error:
            raise UserError(_not_json(path, number, text, at, alone or error)) from None
        yield _Value(value, spread=True)
        alone = None


def _decoded(text: str, at: int) -> tuple[Any, int]:
    """The value that begins there, behind space, and where the next one may begin."""
    begin = _behind_space(text, at)
    value, end = _DECODER.raw_decode(text, begin)
    if _SURROGATE.search(text, begin, end):
        json.dumps(value, ensure_ascii=False).encode()
    return value, _behind_space(text, end)


def _behind_space(text: str, at: int) -> int:
    found = _SOMETHING.search(text, at)
    return found.start() if found else len(text)


def _not_json(path: str, number: int, text: str, at: int, error: Exception) -> str:
    """What is wrong with the value behind `at` in a text that begins in the line `number`."""
    where = _behind_space(text, at)
    if isinstance(error, json.JSONDecodeError):
        where, what = error.pos, f"{error.msg} at character {error.colno}"
    elif isinstance(error, RecursionError):
        what = "nested too deeply"
    elif isinstance(error, UnicodeEncodeError):
        what = "half of a surrogate pair is no character"
    else:
        what = str(error)
    line = number + text.count("\n", 0, where)
    return f"{path}, line {line}: cannot be read as JSON ({what}): fix the line"


def _arrays(record: Any) -> Columns | None:
    """The arrays of an object, of one length."""
    if not isinstance(record, dict) or not all(isinstance(values, list) for values in record.values()):
        return None
    return record if len({len(values) for values in record.values()}) == 1 else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r} stands there twice")
    return record


_SPACE = " \t\r\n"
"""Between JSON values."""
_SOMETHING = re.compile(f"[^{_SPACE}]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(object_pairs_hook=_once, strict=False)
