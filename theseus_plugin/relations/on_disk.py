"""Examples made by several processes, and kept in a file: memory stays flat, however many there are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import datasets
import pyarrow

from theseus_plugin.console import progress
from theseus_plugin.contract import Features
from theseus_plugin.errors import UserError
from theseus_plugin.writing.disk import disk_trouble

_TOGETHER = 4
"""Items that a process is given at a time."""
_WRITTEN = 1024
"""Examples that are written at a time."""
Make = Callable[[Any], Iterable[Features]]


def on_disk(
    make: Make,
    items: Sequence[Any],
    inputs: Sequence[str],
    more: Mapping[str, Any],
    file: str,
    processes: int | None,
    what: str,
) -> datasets.Dataset:
    """The examples of all items in their order, in a file that is read where it is needed; maybe none.

    Args:
        make: the examples of an item; it pickles.
        items: what they are made of.
        inputs: names of the model's inputs, which each example has.
        more: further columns but for `labels`, with their types.
        file: to write.
        processes: that make them; None: one.
        what: they are called, beside the bar.

    Raises:
        UserError: the disk is full.
    """
    whole, ids = datasets.Value("int64"), datasets.List(datasets.Value("int32"))
    schema = datasets.Features({**dict.fromkeys(inputs, ids), "labels": whole, **more}).arrow_schema
    try:
        with pyarrow.OSFile(file, "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as writer:
            stream = _examples(make, items, processes or 1, what)
            while rows := list(islice(stream, _WRITTEN)):
                writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
    except OSError as error:
        if (refused := disk_trouble(error)) is None:
            raise
        raise UserError(
            f"{file}: cannot be written ({refused}): free space, or name a roomier folder in TMPDIR"
        ) from error
    return datasets.Dataset.from_file(file)


def _examples(make: Make, items: Sequence[Any], processes: int, what: str) -> Iterator[Features]:
    with progress(what, len(items)) as tick, _mapped(make, items, processes) as made:
        for examples in made:
            yield from examples
            tick()


@contextmanager
def _mapped(make: Make, items: Sequence[Any], processes: int) -> Iterator[Iterable[Iterable[Features]]]:
    """The examples of each item in turn."""
    if processes == 1 or len(items) <= _TOGETHER:
        yield map(make, items)
        return
    with multiprocessing.Pool(processes, initializer=_prepare, initargs=(make,)) as pool:
        yield pool.imap(_made, items, chunksize=_TOGETHER)


_make: Make
"""In a process that makes examples; what it is told at its start."""


def _prepare(make: Make) -> None:
    global _make
    _make = make
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads did not come along


def _made(item: Any) -> list[Features]:
    return list(_make(item))
