"""Rows of a split through `datasets`: files, folders and the hub, with nothing in the text reinterpreted."""

from __future__ import annotations

import csv
import glob
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import datasets
import pandas

from theseus_plugin.disk import disk_trouble
from theseus_plugin.errors import UserError, did_you_mean, reason
from theseus_plugin.files import means_a_path

Quoting = Literal["auto", "literal", "csv"]

BUILDERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
COMPRESSED = (".gz", ".bz2", ".xz")


@dataclass(frozen=True)
class Rows:
    """The examples of one split. In messages rows count from 1, a header not included."""

    place: str
    """The file, or the data set and its split, for error messages."""
    data: Any
    """The `datasets.Dataset`."""

    def require(self, name: str) -> None:
        """Refuse a column that is not there.

        Raises:
            UserError: there is no such column.
        """
        if name not in self.data.column_names:
            raise UserError(f"{self.place}: no column {name!r}: {did_you_mean(name, self.data.column_names)}")

    def column(self, name: str) -> list[Any]:
        """All values of a column.

        Raises:
            UserError: there is no such column.
        """
        self.require(name)
        return list(self.data.select_columns([name])[:][name])

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
                    "mend the row, or name another text column"
                )
        return values

    def class_names(self, name: str) -> list[str] | None:
        """The names that a column of `ClassLabel`, or of lists of it, brings along, in id order; None for any other."""
        feature = self.data.features.get(name)
        feature = getattr(feature, "feature", feature)
        return list(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def read_files(paths: Sequence[str], quoting: Quoting) -> Rows:
    """The rows of one file, or of several of one kind, one after the other.

    Raises:
        UserError: a file is missing, of an unknown kind, malformed or not UTF-8, or there is no row.
    """
    for path in paths:
        if not Path(path).expanduser().is_file():
            raise UserError(f"{path}: no such file")
        if not Path(path).expanduser().stat().st_size:
            raise UserError(f"{path}: no rows, the file is empty")
    # not resolved: in the cache of the hub a link has the name, its target a hash
    files = [str(Path(path).expanduser().absolute()) for path in paths]
    place = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    kind = _kind(paths[0])
    with _quiet(), _one_line(place):
        options = _csv_options(files[0], kind, quoting) if BUILDERS[kind] == "csv" else {}
        # `datasets` takes paths for patterns
        patterns = {"train": [glob.escape(file) for file in files]}
        builder = datasets.load_dataset_builder(BUILDERS[kind], data_files=patterns, **options)
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
    if folder.is_file():
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
    if kind not in BUILDERS:
        raise UserError(
            f"{path}: unknown kind of file: give one of {', '.join(BUILDERS)} "
            f"(text files also as {', '.join(COMPRESSED)})"
        )
    return kind


def _csv_options(file: str, kind: str, quoting: Quoting) -> dict[str, Any]:
    """Every column as the text that stands in the file: no number, no NaN, no quote is interpreted."""
    literal = quoting == "literal" or (quoting == "auto" and kind == ".tsv")
    options = {
        "sep": "\t" if kind == ".tsv" else ",",
        "quoting": csv.QUOTE_NONE if literal else csv.QUOTE_MINIMAL,
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        # else pandas takes the first column for an index where rows are one field longer than the header
        "index_col": False,
    }
    header = pandas.read_csv(file, nrows=0, **options).columns
    return options | {"features": datasets.Features({name: datasets.Value("string") for name in header})}


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
        with warnings.catch_warnings():
            # pandas only warns where it drops the surplus fields of a row
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            yield
    except UserError:
        raise
    except Exception as error:
        if (refused := disk_trouble(error)) is not None:
            raise UserError(
                f"{place}: cannot be read, or kept in the cache ({refused}): see to the space and the permissions of"
                " both (HF_HOME names the cache)"
            ) from error
        raise UserError(f"{place}: cannot be read ({reason(error)}): check the name and the contents") from error
