"""YAML and JSON that people write, read as plain values: mappings whose keys are texts, lists, texts, numbers, true,
false and null.

What a plain scalar means is that of YAML 1.2's core schema, plus `1_000`: `no`, `1:30` and `2024-02-30` are texts, and
`1e-4` is a number. Everything is bounded, so that no document can keep the reader busy.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from theseus_plugin.errors import UserError
from theseus_plugin.options.plain import MOST_DEPTH, MOST_DIGITS, MOST_VALUES, count, plain, shown

MOST_BYTES = 2**20
"""Of a document."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: dict[str, Any] = {word: None for word in ("", "~", "null", "Null", "NULL")} | {
    form: value for value in (True, False) for form in (str(value), str(value).lower(), str(value).upper())
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*|(?=[eE])))([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}
_MERGE = object()
"""The key `<<`."""


def read_document(path: Path) -> Any:
    """The content of a YAML file, or of one in JSON whose name ends in `.json`.

    Raises:
        UserError: it cannot be read, is no YAML or JSON in UTF-8, or holds what `parse_yaml` refuses; the message does
            not name the file.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot read it ({reason}): give the path of a recipe") from None
    _refuse_large(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 (byte {error.start + 1}): save it as UTF-8") from None
    return _parse_json(text) if path.suffix.lower() == ".json" else parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """The value that a YAML document holds, of plain types.

    Raises:
        UserError: no YAML; a key that is there twice or is no text, an alias to nothing or to what it stands in, a tag
            that makes an object, a number that is not finite or has very many digits, several documents, or too much.
    """
    _refuse_large(text.encode("utf-8", "replace"))
    try:
        building = _Building(text)
        for event in yaml.parse(text, Loader=_Loader):
            building.take(event)
        return plain(building.value())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise UserError(
            f"not valid YAML: {place}{error.problem}: put a text with special characters in single quotes"
        ) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise UserError("not valid YAML: " + " ".join(str(error).split())) from None


class _Open(NamedTuple):
    """A list or mapping whose end has not come yet."""

    is_mapping: bool
    anchor: str | None
    items: list[tuple[Any, Any]]
    """Values, each with its mark; of a mapping keys and values in turn."""


class _Building:
    """The value of the events of a document; what an alias names is in it several times, not copied."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open = [_Open(False, None, [])]
        self.named: dict[str, Any] = {}
        self.documents = 0
        self.left = iter(range(MOST_VALUES))

    def take(self, event: Any) -> None:
        """The next event.

        Raises:
            UserError: see `parse_yaml`.
        """
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise UserError("it holds several documents (---): keep one")
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(_scalar(event, self.text), event.start_mark, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._of_alias(event), event.start_mark, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.open.pop()
            value = self._mapping(closed.items) if closed.is_mapping else [_told(one) for one, _ in closed.items]
            self._add(value, event.start_mark, closed.anchor)

    def value(self) -> Any:
        """What the document holds; None if nothing."""
        return _told(self.open[0].items[0][0]) if self.open[0].items else None

    def _begin(self, event: Any) -> None:
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            raise _unknown_tag(event, self.text)
        if len(self.open) > MOST_DEPTH:
            raise UserError(f"{_line(self.text, event.start_mark)}nested deeper than {MOST_DEPTH} levels")
        self.open.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor, []))

    def _add(self, value: Any, mark: Any, anchor: str | None) -> None:
        count(self.left)
        if anchor is not None:
            self.named[anchor] = value
        self.open[-1].items.append((value, mark))

    def _of_alias(self, event: Any) -> Any:
        if event.anchor not in self.named:
            raise UserError(
                f"{_line(self.text, event.start_mark)}the alias *{shown(event.anchor)} names nothing above it, or what"
                " it stands in: put a text that starts with * in quotes"
            )
        return self.named[event.anchor]

    def _mapping(self, items: list[tuple[Any, Any]]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for (key, mark), (value, _) in zip(items[::2], items[1::2], strict=True):
            place = _line(self.text, mark)
            if key is _MERGE:
                for source in value if isinstance(value, list) else [value]:
                    if not isinstance(source, dict):
                        raise UserError(f"{place}<< takes a mapping, or a list of them")
                    for name in source:
                        count(self.left)
                        others.setdefault(name, source[name])
            elif not isinstance(key, str):
                raise UserError(f"{place}the key {shown(key)} is no text: put it in quotes")
            elif key in own:
                raise UserError(f"{place}the key {shown(key)!r} is there twice: remove one")
            else:
                own[key] = _told(value)
        return others | own


def _told(value: Any) -> Any:
    return "<<" if value is _MERGE else value


def _scalar(event: Any, text: str) -> Any:
    """The value of a scalar by its tag, or else by its form."""
    tag, written = event.tag, event.value
    if tag in ("!", _TAG + "str") or (tag is None and not event.implicit[0]):
        return written
    if tag is None and written == "<<":
        return _MERGE
    value = _resolved(written, _line(text, event.start_mark))
    if tag is None:
        return value
    kinds = _TYPES.get(tag.removeprefix(_TAG))
    if kinds is None:
        raise _unknown_tag(event, text)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UserError(f"{_line(text, event.start_mark)}{shown(written)!r} is no !!{tag.removeprefix(_TAG)}")
    number: Any = value
    return float(number) if float in kinds else value


def _resolved(written: str, place: str) -> Any:
    if written in _CONSTANTS:
        return _CONSTANTS[written]
    if _INTEGER.fullmatch(written):
        return _integer(written, place)
    if _FLOAT.fullmatch(written):
        value = float(written.replace("_", ""))
        if math.isinf(value):
            raise UserError(f"{place}{shown(written)} is too large a number")
        return value
    if _NO_NUMBER.fullmatch(written):
        raise UserError(f"{place}{written} is no finite number")
    return written


def _integer(written: str, place: str = "") -> int:
    if len(written) > MOST_DIGITS:
        raise UserError(f"{place}{shown(written, 20)} is a number of {len(written):,} digits: too large")
    return int(written.replace("_", ""), 0)


def _unknown_tag(event: Any, text: str) -> UserError:
    return UserError(
        f"{_line(text, event.start_mark)}the tag {shown(event.tag)} is not taken: only plain values are, leave it out"
    )


def _line(text: str, mark: Any) -> str:
    return f"line {mark.line + 1}: " if "\n" in text.strip() else ""


def _refuse_large(content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise UserError(f"more than {MOST_BYTES // 2**20} MiB: too large for a recipe")


def _parse_json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise UserError(f"the key {shown(key)!r} is there twice: remove one")
            found[key] = value
        return found

    def refuse(word: str) -> Any:
        raise UserError(f"{word} is no finite number")

    try:
        return plain(json.loads(text, object_pairs_hook=mapping, parse_int=_integer, parse_constant=refuse))
    except RecursionError:
        raise UserError(f"nested deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        raise UserError(f"not valid JSON: {error}") from None
