from __future__ import annotations

from collections import Counter

import pytest

from theseus_plugin.surgery.partition import partition_blocks, runs, sources
from theseus_plugin.surgery.shares import fit_kinds, keep_shares, told, wanted_counts


def repeated(*pattern: str, depth: int) -> list[str]:
    return [pattern[i % len(pattern)] for i in range(depth)]


GEMMA2 = repeated("local", "global", depth=26)
GEMMA3 = repeated(*["local"] * 5, "global", depth=26)
MODERNBERT = repeated("global", "local", "local", depth=22)
FOUR = repeated("a", "b", "c", "d", depth=24)


@pytest.mark.parametrize(
    ("kinds", "blocks", "expected"),
    [
        (GEMMA2, 13, {"local": 7, "global": 6}),
        (GEMMA3, 13, {"local": 11, "global": 2}),
        (GEMMA3, 4, {"local": 3, "global": 1}),
        (GEMMA3, 2, {"local": 1, "global": 1}),  # 0.3 of 2: one stays
        (GEMMA3, 1, {"local": 1, "global": 0}),
        (MODERNBERT, 11, {"global": 4, "local": 7}),
        (FOUR, 12, dict.fromkeys("abcd", 3)),
        (FOUR, 4, dict.fromkeys("abcd", 1)),
    ],
)
@pytest.mark.parametrize("initialisation", ["every-other", "module-last"])
def test_each_kind_keeps_its_share(
    kinds: list[str], blocks: int, expected: dict[str, int], initialisation: str
) -> None:
    parts = partition_blocks(len(kinds), blocks, "spread")
    chosen = sources(parts, initialisation, kinds)  # type: ignore[arg-type]
    counts = Counter(kinds[block] for block in chosen)
    if kinds is GEMMA2:  # half a block more of either
        assert sorted(counts.values()) == sorted(expected.values())
    else:
        assert {kind: counts[kind] for kind in expected} == expected
    assert all(block in run for block, run in zip(chosen, runs(parts), strict=True)), "each from its own run"
    assert chosen == sorted(set(chosen))


def test_without_kinds_every_other_drops_every_global_block_of_gemma3() -> None:
    parts = partition_blocks(26, 13)
    plain = sources(parts, "every-other")
    assert plain == list(range(0, 26, 2))
    assert {GEMMA3[block] for block in plain} == {"local"}
    chosen = sources(parts, "every-other", GEMMA3)
    assert sum(a != b for a, b in zip(plain, chosen, strict=True)) == 2, "no more than needed are others"


def test_what_keeps_its_shares_already_stays() -> None:
    parts = partition_blocks(22, 11)
    assert sources(parts, "every-other", MODERNBERT) == list(range(0, 22, 2))
    assert sources(partition_blocks(6, 3), "module-last", ["one"] * 6) == [1, 3, 5]


def test_swaps_are_spread_evenly() -> None:
    chosen = sources(partition_blocks(26, 13), "every-other", GEMMA2)
    kinds = [GEMMA2[block] for block in chosen]
    assert kinds == repeated("local", "global", depth=13)


def test_what_the_user_names_stays() -> None:
    parts = partition_blocks(26, 13)
    assert sources(parts, "first", GEMMA3) == list(range(13))
    assert sources(parts, "last", GEMMA3) == list(range(13, 26))


def test_several_blocks_of_one_module_stand_for_a_run_each() -> None:
    parts = partition_blocks(16, 8, modules=2)
    assert runs(parts) == [range(i, i + 2) for i in range(0, 16, 2)]
    kinds = repeated("local", "local", "local", "global", depth=16)
    chosen = sources(parts, "every-other", kinds)
    assert Counter(kinds[block] for block in chosen) == {"local": 6, "global": 2}


def test_the_last_block_may_have_to_be_of_the_last_ones_kind() -> None:
    kinds = repeated(*["local"] * 5, "global", depth=12)
    own = runs(partition_blocks(12, 4))
    chosen = keep_shares(own, [0, 3, 6, 9], kinds, last_alike=True)
    assert [kinds[block] for block in chosen] == ["local", "local", "local", "global"]


def test_runs_without_a_choice_keep_what_they_have() -> None:
    assert keep_shares([range(0, 1), range(1, 2)], [0, 1], ["a", "a", "b", "b"]) == [0, 1]


def test_kinds_that_the_place_decides() -> None:
    """The nearest of the wanted kind in the run, if it has one."""
    kinds = ["dense", "sparse"] * 3
    own = [range(0, 2), range(2, 4), range(4, 6)]
    assert fit_kinds(own, [0, 2, 4], kinds, ["dense", "sparse", "dense"]) == [0, 3, 4]
    assert fit_kinds([range(0, 1), range(2, 3)], [0, 2], kinds, ["sparse", "sparse"]) == [0, 2]


def test_counts_before_and_after() -> None:
    assert told(GEMMA3, range(0, 26, 2)) == {"local": (22, 13), "global": (4, 0)}
    assert wanted_counts(["a"] * 6, 3) == {"a": 3}
