from __future__ import annotations

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.surgery.partition import Part, Partition, partition_blocks, places, sources


def runs(parts: tuple[Part, ...]) -> list[tuple[int, int]]:
    """Also that nothing is left out and nothing is taken twice."""
    assert [i for part in parts for i in part.predecessor] == list(range(parts[-1].predecessor.stop))
    assert [i for part in parts for i in part.successor] == list(range(parts[-1].successor.stop))
    return [(len(part.predecessor), len(part.successor)) for part in parts]


def test_equal_runs() -> None:
    assert runs(partition_blocks(12, 6)) == [(2, 1)] * 6
    assert runs(partition_blocks(6, 1)) == [(6, 1)]
    assert runs(partition_blocks(12, 6, modules=3)) == [(4, 2)] * 3


def test_explicit_runs() -> None:
    assert runs(partition_blocks(7, 3, [1, 4, 2])) == [(1, 1), (4, 1), (2, 1)]
    assert runs(partition_blocks(7, 4, [1, (4, 2), 2])) == [(1, 1), (4, 2), (2, 1)]


def test_spread_runs_differ_by_one_at_most() -> None:
    assert runs(partition_blocks(6, 4, "spread")) == [(2, 1), (2, 1), (1, 1), (1, 1)]
    assert runs(partition_blocks(12, 5, "spread", modules=2)) == [(6, 3), (6, 2)]


def test_a_depth_that_does_not_divide_is_refused_with_what_would() -> None:
    with pytest.raises(UserError, match=r"6 predecessor blocks do not divide into 4 .*\[1, 2, 3\].*\[2, 2, 1, 1\]"):
        partition_blocks(6, 4)


def test_the_suggested_partition_works() -> None:
    assert runs(partition_blocks(6, 4, [2, 2, 1, 1])) == [(2, 1), (2, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize("blocks", [6, 7])
def test_a_successor_must_be_shallower(blocks: int) -> None:
    with pytest.raises(UserError, match="choose 1 to 5"):
        partition_blocks(6, blocks)


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        ([3, 2], r"\[3, 2\] must have entries of 1 or more that add up to 6"),
        ([], "add up to 6"),
        ([6, 0], "add up to 6"),
        ([2, 2, 2], "has 3 successor blocks, successor_blocks is 2"),
        ([(1, 2), (5, 0)], "1 or more"),
        ([(5, 1), (1, 2)], "has 3 successor blocks"),
    ],
)
def test_a_partition_must_add_up(partition: Partition, message: str) -> None:
    with pytest.raises(UserError, match=message):
        partition_blocks(6, 2, partition)


def test_a_module_does_not_grow() -> None:
    with pytest.raises(UserError, match="more successor blocks than predecessor blocks"):
        partition_blocks(6, 3, [(1, 2), (5, 1)])


def test_there_are_no_more_modules_than_successor_blocks() -> None:
    with pytest.raises(UserError, match="at most one a successor block, 2"):
        partition_blocks(6, 2, modules=3)


def test_what_the_successor_starts_from() -> None:
    parts = partition_blocks(12, 6, [1, 1, (6, 3), 4])
    assert sources(parts, "first") == [0, 1, 2, 3, 4, 5]
    assert sources(parts, "last") == [6, 7, 8, 9, 10, 11]
    assert sources(parts, "every-other") == [0, 1, 2, 4, 6, 8]
    assert sources(partition_blocks(6, 3), "every-other") == [0, 2, 4]
    assert sources(partition_blocks(6, 3), "module-last") == [1, 3, 5]
    assert sources(parts, "module-last") == [0, 1, 3, 5, 7, 11]


def test_blocks_run_at_the_first_places_of_their_module() -> None:
    parts = partition_blocks(7, 4, [1, (4, 2), 2])
    assert places(parts, [0, 1, 2, 3], None) == [0, 1, 2, 5]


def test_or_at_those_of_their_kind_where_kinds_alternate() -> None:
    kinds = ["full", "local", "local"] * 2
    parts = partition_blocks(6, 3)
    assert places(parts, [0, 1, 2], kinds) == [0, 2, 4]
    assert places(parts, [0, 3, 5], kinds) == [0, 3, 4]
    # two blocks of one module keep their order, and leave room for each other
    assert places(partition_blocks(6, 2, modules=1), [1, 0], kinds) == [1, 3]
    assert places(partition_blocks(6, 2, [5, 1]), [0, 1], kinds) == [0, 5]
