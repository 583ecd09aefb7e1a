"""Tables in text files, with nothing in their cells reinterpreted: CSV and TSV as text, JSON as the types it has."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

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
        found: list[list[str | None]] = []
        for row in rows:
            if len(row) > len(names):
                told = repr(header[0]) if len(header) == 1 else str(len(header))
                raise UserError(
                    f"{path}, row {len(found) + 1}: {len(row)} cells, but the header has {told}: fix the row"
                    + ("" if literal else ", or quote cells that hold the separator")
                )
            found.append([*row, *[None] * (len(names) - len(row))])
    columns = zip(*found, strict=True) if found else ([] for _ in names)
    return dict(zip(names, map(list, columns), strict=True)), {name for name in header if header.count(name) > 1}


def read_json(path: str) -> Columns:
    """The columns of JSON Lines, of an array of objects, or of an object of arrays that is spread over lines.

    Raises:
        UserError: no such file, not text, not JSON, or JSON of another shape.
    """
    with open_text(path) as stream:
        text = stream.read()
    records = _array(text, path) if text.lstrip(BLANK + "\r\n").startswith("[") else _of_lines(text, path)
    if isinstance(records, dict):
        return records
    columns: Columns = {}
    for row, record in enumerate(records, start=1):
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict):
            raise UserError(f'{path}, row {row}: no object, as {{"text": ...}}: give one for each row')
        for name, value in record.items():
            # the rows before lack a name that is new
            columns.setdefault(name, [None] * (row - 1)).append(value)
        for values in columns.values():
            values.extend([None] * (row - len(values)))
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
    begin = 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and row[0] and not row[0].strip(" ")):
                yield [cell.replace(_CR, "\r") for cell in row]
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
    end = "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
    return line.removesuffix(end).replace("\r", _CR) + end


def _array(text: str, path: str) -> Any:
    try:
        return _parsed(text)
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}): fix it") from None


def _of_lines(text: str, path: str) -> list[Any] | Columns:
    records: list[Any] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip(BLANK + "\r"):
            continue
        try:
            records.append(_parsed(line))
        except ValueError as error:
            spread = None if records else _columns(text)
            if spread is not None:
                return spread
            raise UserError(f"{path}, line {number}: cannot be read as JSON ({error}): fix the line") from None
    return records


def _columns(text: str) -> Columns | None:
    """Those of one object of arrays."""
    try:
        found = _parsed(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(values, list) for values in found.values()):
        return None
    return found if len({len(values) for values in found.values()}) == 1 else None


def _parsed(text: str) -> Any:
    try:
        value = _DECODER.decode(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise ValueError(f"{error.msg} at {line}character {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r} stands there twice")
    return record


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(object_pairs_hook=_once, strict=False)
