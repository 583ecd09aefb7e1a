"""Examples that lie in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.relations.on_disk import on_disk

_MORE = {"of": datasets.Value("int32")}


def _make(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield {"input_ids": list(range(at)), "labels": at % 2, "of": count}


@pytest.mark.parametrize("processes", [None, 1, 2])
def test_the_file_holds_the_examples_of_all_items_in_their_order(tmp_path: Path, processes: int | None) -> None:
    items = [3, 0, 1, 1500, 2, 7, 0, 5]
    found = on_disk(_make, items, ["input_ids"], _MORE, str(tmp_path / "file"), processes, "examples")
    assert found.to_list() == [example for item in items for example in _make(item)]


def test_there_may_be_none(tmp_path: Path) -> None:
    found = on_disk(_make, [0, 0], ["input_ids"], _MORE, str(tmp_path / "file"), None, "examples")
    assert (len(found), found.column_names) == (0, ["input_ids", "labels", "of"])


def test_a_full_disk_is_said_in_words() -> None:
    with pytest.raises(UserError, match=r"^/dev/full: cannot be written \(No space left on device\): free space, or"):
        on_disk(_make, [3], ["input_ids"], _MORE, "/dev/full", None, "examples")
