"""The committed records: a JSON Lines file for each part of a suite, a record a line, sorted by key.

The first line holds the machines and the sections `task` of recipes once each; records name them. What a run measures
is a file of its own in `runs/results/`, where it counts before what is committed, until it is collected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json, write_file, write_json

RESULTS = Path(__file__).parent / "results"
NEW = Path("runs/results")
"""What is not collected yet."""
_MACHINE = ("cpu", "cpu_flags", "cores", "system", "python", "versions")
"""What of an environment many records share."""
Parts = dict[str, dict[str, Any]]
"""`machines` and `tasks` by their ids."""


class NotRecorded(UserError, KeyError):
    """There is no such record yet."""

    __str__ = Exception.__str__  # a KeyError would put its text in quotes


class Records(Mapping[str, Any]):
    """Records by key: those that are committed in `RESULTS/<name>.jsonl`, and the new ones before them.

    Args:
        name: such as `attack`, or `glue/main` where a suite has several parts.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, key: str) -> Any:
        new = self.new_file(key)
        if new.exists():
            return read_json(new)
        committed = self._committed()
        if key not in committed:
            raise NotRecorded(f"{self.name}: {key} is not recorded yet: python -m benchmarks {self.name.split('/')[0]}")
        return committed[key]

    def __iter__(self) -> Iterator[str]:
        new = (file.relative_to(NEW / self.name).with_suffix("") for file in self._new_files())
        return iter(sorted({*self._committed(), *map(str, new)}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def new_file(self, key: str) -> Path:
        """Where a run writes a record."""
        return NEW / self.name / f"{key}.json"

    def put(self, key: str, record: Any) -> None:
        """Keep what a run measured."""
        write_record(self.new_file(key), record)

    def fill(self, measures: Mapping[str, Callable[[], Any]]) -> None:
        """Measure what there is no record of."""
        for key, measure in measures.items():
            if key not in self:
                self.put(key, measure())

    def clear(self) -> None:
        """Drop all records, those that are committed too."""
        for file in (*self._new_files(), self._file):
            file.unlink(missing_ok=True)

    def collect(self) -> None:
        """Put the new records among those to be committed."""
        parts: Parts = {"machines": {}, "tasks": {}}
        lines = [json.dumps({"key": key, **_packed(record, parts)}, allow_nan=False) for key, record in self.items()]
        head = {name: dict(sorted(found.items())) for name, found in parts.items()}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_file(self._file, "\n".join([json.dumps(head), *lines]) + "\n")
        for file in self._new_files():
            file.unlink()

    @property
    def _file(self) -> Path:
        return RESULTS / f"{self.name}.jsonl"

    def _committed(self) -> dict[str, Any]:
        return _read(self._file, self._file.stat().st_mtime_ns) if self._file.exists() else {}

    def _new_files(self) -> list[Path]:
        return list((NEW / self.name).rglob("*.json"))


def parts_of(suite: str) -> list[Records]:
    """The parts of a suite that have any record, by name."""
    committed = [file.stem for file in (RESULTS / suite).glob("*.jsonl")]
    new = [folder.name for folder in (NEW / suite).glob("*") if folder.is_dir()]
    return [Records(f"{suite}/{name}") for name in sorted({*committed, *new})]


def write_record(file: Path, record: Any) -> None:
    """Write a record as JSON, without the working folder in its paths: those mean nothing on another machine."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, json.loads(json.dumps(record).replace(f"{Path.cwd()}/", "")))


@lru_cache
def _read(file: Path, written: int) -> dict[str, Any]:
    """The records of a file as it was when it was written."""
    head, *lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {line.pop("key"): _unpacked(line, head) for line in lines}


def _packed(value: Any, parts: Parts, inside: str = "") -> Any:
    """`value` with ids for its machines and tasks, which are put into `parts`."""
    if isinstance(value, list):
        return [_packed(one, parts) for one in value]
    if not isinstance(value, dict):
        return value
    packed: dict[str, Any] = {}
    for key, one in value.items():
        if key == "environment":
            machine = {name: one[name] for name in _MACHINE}
            own = {name: fact for name, fact in one.items() if name not in _MACHINE}
            packed[key] = {"machine": _named(machine, parts["machines"]), **own}
        elif (inside, key) == ("recipe", "task"):
            packed[key] = _named(one, parts["tasks"])
        else:
            packed[key] = _packed(one, parts, key)
    return packed


def _unpacked(value: Any, parts: Parts, inside: str = "") -> Any:
    if isinstance(value, list):
        return [_unpacked(one, parts) for one in value]
    if not isinstance(value, dict):
        return value
    if inside == "environment":
        own = dict(value)
        return {**parts["machines"][own.pop("machine")], **own}
    return {
        key: parts["tasks"][one] if (inside, key) == ("recipe", "task") else _unpacked(one, parts, key)
        for key, one in value.items()
    }


def _named(what: dict[str, Any], known: dict[str, Any]) -> str:
    """An id that another file gives it as well."""
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]
    known[name] = what
    return name
