"""Choose blocks so that each kind of block keeps its share of the stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def wanted_counts(kinds: Sequence[str], blocks: int, favoured: Sequence[str] = ()) -> dict[str, int]:
    """How many of `blocks` each kind gets: its share of `kinds`, and one at least where there is room for all.

    Args:
        kinds: of each block of the deeper stack.
        blocks: of the shallower one.
        favoured: kinds that shares which round both ways are rounded up for, the most frequent first.
    """
    counts, favour = Counter(kinds), Counter(favoured)
    least = 1 if blocks >= len(counts) else 0
    shares = {kind: blocks * count / len(kinds) for kind, count in counts.items()}
    found = {kind: max(least, int(share)) for kind, share in shares.items()}
    while sum(found.values()) < blocks:
        kind = max(counts, key=lambda kind: (shares[kind] - found[kind], favour[kind]))
        found[kind] += 1
    while sum(found.values()) > blocks:  # the rare kinds' ones are the frequent kinds' loss
        kind = max((k for k in counts if found[k] > least), key=lambda kind: found[kind] - shares[kind])
        found[kind] -= 1
    return found


def keep_shares(
    runs: Sequence[range], chosen: Sequence[int], kinds: Sequence[str], last_alike: bool = False
) -> list[int]:
    """`chosen` with as few others as are needed for each kind to keep its share, spread as evenly as can be.

    Args:
        runs: by new block the old ones that it may be taken from.
        chosen: the one that is taken if kinds do not matter.
        kinds: of each old block.
        last_alike: whether the last new block has to be of the last old one's kind.
    """
    result = [*chosen[:-1], runs[-1][-1]] if last_alike and kinds[chosen[-1]] != kinds[-1] else list(chosen)
    wanted = wanted_counts(kinds, len(runs), [kinds[block] for block in chosen])
    while True:
        counts = Counter(kinds[block] for block in result)
        swaps = [
            [*result[:at], block, *result[at + 1 :]]
            for at, run in enumerate(runs[:-1] if last_alike else runs)
            if counts[kinds[result[at]]] > wanted[kinds[result[at]]]
            for block in sorted(run, key=lambda block: abs(block - chosen[at]))
            if counts[kinds[block]] < wanted[kinds[block]]
        ]
        if not swaps:
            return result
        result = min(swaps, key=lambda blocks: _unevenness([kinds[block] for block in blocks], wanted))


def _unevenness(taken: Sequence[str], wanted: Mapping[str, int]) -> float:
    """How far the counts of all kinds are from their shares after each block, squared and added up."""
    found, counts = 0.0, Counter[str]()
    for at, kind in enumerate(taken, 1):
        counts[kind] += 1
        found += sum((counts[kind] - at * count / len(taken)) ** 2 for kind, count in wanted.items())
    return found


def fit_kinds(runs: Sequence[range], chosen: Sequence[int], kinds: Sequence[str], asked: Sequence[str]) -> list[int]:
    """`chosen` with others of the same runs where the model builds a block of another kind at that place.

    Args:
        runs: as for `keep_shares`.
        chosen: blocks so far.
        kinds: of each old block.
        asked: of each new block.
    """
    return [
        min((other for other in run if kinds[other] == kind), key=lambda other: abs(other - block), default=block)
        for run, block, kind in zip(runs, chosen, asked, strict=True)
    ]


def told(kinds: Sequence[str], chosen: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Of each kind, how many blocks there are, and how many were chosen."""
    after = Counter(kinds[block] for block in chosen)
    return {kind: (count, after[kind]) for kind, count in Counter(kinds).items()}
