"""Rows of a split: files, folders and the hub, with nothing in the text reinterpreted."""

from __future__ import annotations

import errno
import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import datasets

from theseus_plugin.contract import Features
from theseus_plugin.errors import UserError, did_you_mean, reason
from theseus_plugin.files import means_a_path
from theseus_plugin.tasks.tables import Columns, read_json, read_separated
from theseus_plugin.tasks.textfiles import COMPRESSED, existing_file
from theseus_plugin.writing.disk import disk_trouble

Quoting = Literal["auto", "literal", "csv"]

KINDS = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Rows:
    """The examples of one split. In messages rows count from 1, a header not included."""

    place: str
    """The file, or the data set and its split, for error messages."""
    data: Any
    """The `datasets.Dataset`, or of a text file the values of every column by its name."""
    repeated: frozenset[str] = field(default=frozenset())
    """Names that several columns of the file have."""

    def __len__(self) -> int:
        return len(next(iter(self.data.values()), ())) if isinstance(self.data, Mapping) else len(self.data)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.data) if isinstance(self.data, Mapping) else list(self.data.column_names)

    def require(self, name: str) -> None:
        """Refuse a column that is not there, or of whose name there are several.

        Raises:
            UserError: there is no such column, or more than one.
        """
        if name in self.repeated:
            raise UserError(f"{self.place}: several columns are named {name!r}: rename all but one")
        if name not in self.names:
            separator = next((one for one in "\t;|," if len(self.names) == 1 and one in self.names[0]), None)
            advice = (
                f"its first line, {self.names[0]!r}, is one column: separate cells by commas in .csv, by tabs in .tsv"
                if separator
                else did_you_mean(name, self.names)
            )
            raise UserError(f"{self.place}: no column {name!r}: {advice}")

    def column(self, name: str) -> list[Any]:
        """All values of a column.

        Raises:
            UserError: there is no such column.
        """
        self.require(name)
        values = self.data[name] if isinstance(self.data, Mapping) else self.data.select_columns([name])[:][name]
        return list(values)

    def dataset(self, name: str) -> Any:
        """A column alone, as a `datasets.Dataset`.

        Raises:
            UserError: there is no such column.
        """
        self.require(name)
        if isinstance(self.data, Mapping):
            return datasets.Dataset.from_dict({name: self.data[name]})
        return self.data.select_columns([name])

    def texts(self, name: str) -> list[str]:
        """All values of a column that must hold text. Numbers are refused: it is rarely the column meant.

        Raises:
            UserError: there is no such column, or a value is missing or not text.
        """
        values = self.column(name)
        for row, value in enumerate(values, start=1):
            if not isinstance(value, str):
                raise UserError(
                    f"{self.place}, row {row}: column {name!r} holds {value!r}, which is not text: "
                    "fix the row, or name another text column"
                )
        return values

    def require_tokens(self, examples: Sequence[Features]) -> None:
        """Refuse an example, one of each row, for which the tokenizer gives no token at all.

        Raises:
            UserError: there is one.
        """
        for row, example in enumerate(examples, start=1):
            if not len(example["input_ids"]):
                raise UserError(
                    f"{self.place}, row {row}: nothing to read there, the tokenizer makes no token of it: drop the row"
                )

    def class_names(self, name: str) -> list[str] | None:
        """The names that a column of `ClassLabel`, or of lists of it, brings along, in id order; None for any other."""
        if isinstance(self.data, Mapping):
            return None
        feature = self.data.features.get(name)
        feature = getattr(feature, "feature", feature)
        return list(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def read_files(paths: Sequence[str], quoting: Quoting) -> Rows:
    """The rows of one file, or of several of one kind, one after the other.

    Raises:
        UserError: a file is missing, of an unknown kind, malformed or not UTF-8, or there is no row.
    """
    kind = _kind(paths[0])
    # not resolved: in the cache of the hub a link has the name, its target a hash
    files = [str(existing_file(path).absolute()) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if not Path(file).stat().st_size:
            raise UserError(f"{path}: no rows, the file is empty")
    place = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    rows = _read_parquet(files, place) if kind == ".parquet" else _read_tables(paths, place, kind, quoting)
    if not len(rows):
        raise UserError(f"{place}: no rows")
    return rows


def _read_tables(paths: Sequence[str], place: str, kind: str, quoting: Quoting) -> Rows:
    columns: Columns = {}
    repeated: set[str] = set()
    count = 0
    for path in paths:
        if kind in (".csv", ".tsv"):
            literal = quoting == "literal" or (quoting == "auto" and kind == ".tsv")
            found, names = read_separated(path, "\t" if kind == ".tsv" else ",", literal)
            repeated |= names
        else:
            found = read_json(path)
        more = len(next(iter(found.values()), ()))
        for name in dict.fromkeys([*columns, *found]):
            columns.setdefault(name, [None] * count).extend(found.get(name, [None] * more))
        count += more
    return Rows(place, columns, frozenset(repeated))


def _read_parquet(files: Sequence[str], place: str) -> Rows:
    with _quiet(), _one_line(place):
        # `datasets` takes paths for patterns
        patterns = {"train": [glob.escape(file) for file in files]}
        builder = datasets.load_dataset_builder("parquet", data_files=patterns)
        # several processes may come here at once: `datasets` locks what it prepares, and the others wait
        builder.download_and_prepare()
        if not builder.info.splits["train"].num_examples:  # which as_dataset cannot load
            raise UserError(f"{place}: no rows")
        return Rows(place, builder.as_dataset("train"))


def read_data(data: str, subset: str | None, split: str, quoting: Quoting) -> Rows:
    """The rows of a split of a folder (saved by `save_to_disk`, or of data files) or of a hub data set.

    Raises:
        UserError: no such folder, data set, subset or split, or one of the reasons of `read_files`.
    """
    folder = Path(data).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{data} is a file, not a folder: give files as `train` and `validation`, without `data`")
    if not folder.is_dir() and means_a_path(data):
        raise UserError(f"{data}: no such folder")
    with _quiet():
        if not folder.is_dir():
            with _one_line(f"{data}: no folder of that name here, and the hub does not give it"):
                splits = datasets.load_dataset(data, subset)
        elif any((folder / marker).is_file() for marker in ("dataset_dict.json", "state.json")):
            with _one_line(data):
                splits = datasets.load_from_disk(str(folder))
            if not isinstance(splits, datasets.DatasetDict):
                raise UserError(f"{data} holds one data set without splits: save a DatasetDict")
        else:
            with _one_line(data):
                files = datasets.load_dataset_builder(str(folder), subset).config.data_files
            _require_split(data, split, files)
            return read_files(files[split], quoting)
    _require_split(data, split, splits)
    if not len(splits[split]):
        raise UserError(f"{data}: split {split!r} has no rows")
    return Rows(f"{data}, split {split!r}", splits[split])


def _require_split(data: str, split: str, splits: Any) -> None:
    if split not in splits:
        raise UserError(f"{data}: no split {split!r}: {did_you_mean(split, map(str, splits))}")


def _kind(path: str) -> str:
    suffixes = Path(path).suffixes
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in KINDS:
        raise UserError(
            f"{path}: unknown kind of file: give one of {', '.join(KINDS)} (text files also as {', '.join(COMPRESSED)})"
        )
    return kind


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, and no log lines beside the exception, of `datasets`."""
    verbosity = datasets.logging.get_verbosity()
    bars = not datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


@contextmanager
def _one_line(place: str) -> Iterator[None]:
    """Whatever the readers raise, they raise about the data: one line with the innermost reason."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            _cache_trouble(error) or f"{place}: cannot be read ({reason(error)}): check the name and the contents"
        ) from error


def _cache_trouble(error: BaseException | None) -> str | None:
    """What is wrong with the folder that `datasets` prepares its files in, if that is what an error is about."""
    while error is not None:
        if isinstance(error, OSError):
            folders = [str(datasets.config.HF_DATASETS_CACHE), str(datasets.config.HF_CACHE_HOME)]
            folder = next((one for one in folders if str(error.filename or "").startswith(one)), None)
            full = "disk space" in str(error) or (error.errno != errno.EACCES and disk_trouble(error))
            if folder or full:
                return (
                    f"the cache of data sets, {folder or folders[0]}, cannot be written "
                    f"({error.strerror or error}): free space there, or name another folder in HF_DATASETS_CACHE"
                )
        error = error.__cause__ or error.__context__
    return None
