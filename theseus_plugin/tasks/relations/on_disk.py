"""Examples made by several processes, and kept in a file: memory stays flat, however many there are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import datasets

from theseus_plugin.contract import Features
from theseus_plugin.progress import progress

_TOGETHER = 4
"""Items that a process is given at a time."""
Make = Callable[[Any], Iterable[Features]]


def on_disk(
    make: Make,
    items: Sequence[Any],
    inputs: Sequence[str],
    more: Mapping[str, Any],
    folder: str,
    processes: int | None,
    what: str,
) -> datasets.Dataset:
    """The examples of all items in their order, in a file of `folder` that is read where it is needed; maybe none.

    Args:
        make: the examples of an item; it pickles.
        items: what they are made of.
        inputs: names of the model's inputs, which each example has.
        more: further columns but for `labels`, with their types.
        folder: to write into.
        processes: that make them; None: one.
        what: they are called, beside the bar.
    """
    whole, ids = datasets.Value("int64"), datasets.List(datasets.Value("int32"))
    columns = datasets.Features({**dict.fromkeys(inputs, ids), "labels": whole, **more})
    if not any(True for item in items for _ in make(item)):  # looks at the first example only, if there is one
        return datasets.Dataset.from_dict({name: [] for name in columns}, features=columns)
    stream = _Stream(make, items, processes or 1, what)
    with _no_other_bar():
        return datasets.Dataset.from_generator(stream, features=columns, cache_dir=folder)


@contextmanager
def _no_other_bar() -> Iterator[None]:
    """That of the library does not know how much there is to do."""
    disabled = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            datasets.enable_progress_bars()


@dataclass(frozen=True)
class _Stream:
    """A generator that pickles, as the library wants it to."""

    make: Make
    items: Sequence[Any]
    processes: int
    what: str

    def __call__(self) -> Iterator[Features]:
        if self.processes == 1 or len(self.items) <= _TOGETHER:
            yield from self._told(map(self.make, self.items))
            return
        with multiprocessing.Pool(self.processes, initializer=_prepare, initargs=(self.make,)) as pool:
            yield from self._told(pool.imap(_made, self.items, chunksize=_TOGETHER))

    def _told(self, made: Iterable[Iterable[Features]]) -> Iterator[Features]:
        with progress(self.what, len(self.items)) as tick:
            for examples in made:
                yield from examples
                tick()


_make: Make
"""In a process that makes examples; what it is told at its start."""


def _prepare(make: Make) -> None:
    global _make
    _make = make
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads did not come along


def _made(item: Any) -> list[Features]:
    return list(_make(item))
