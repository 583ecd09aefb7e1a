from __future__ import annotations

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.surgery.partition import partition_blocks


def test_equal_runs() -> None:
    assert partition_blocks(12, 6) == tuple(range(i, i + 2) for i in range(0, 12, 2))
    assert partition_blocks(6, 1) == (range(0, 6),)


def test_explicit_runs() -> None:
    assert partition_blocks(7, 3, [1, 4, 2]) == (range(0, 1), range(1, 5), range(5, 7))


def test_a_depth_that_does_not_divide_is_refused_with_what_would() -> None:
    with pytest.raises(UserError, match=r"6 predecessor blocks do not divide into 4 .*\[1, 2, 3\].*\[2, 2, 1, 1\]"):
        partition_blocks(6, 4)


def test_the_suggested_partition_works() -> None:
    assert [len(part) for part in partition_blocks(6, 4, [2, 2, 1, 1])] == [2, 2, 1, 1]


@pytest.mark.parametrize("blocks", [6, 7])
def test_a_successor_must_be_shallower(blocks: int) -> None:
    with pytest.raises(UserError, match="choose 1 to 5"):
        partition_blocks(6, blocks)


@pytest.mark.parametrize("partition", [[3, 2], [2, 2, 2], [6, 0]])
def test_a_partition_must_add_up(partition: list[int]) -> None:
    with pytest.raises(UserError, match="2 entries of 1 or more that add up to 6"):
        partition_blocks(6, 2, partition)
