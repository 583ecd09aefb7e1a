"""Which predecessor blocks each module holds, which successor blocks take their place, and what those start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from theseus_plugin.errors import UserError
from theseus_plugin.surgery.shares import keep_shares

Partition = Literal["spread"] | Sequence[int | tuple[int, int]]
"""`spread`: runs as equal as they can be; or per module the number of predecessor blocks, or a pair: of predecessor and
of successor blocks."""
Initialisation = Literal["first", "every-other", "module-last", "last"]
BY_MODULE = ("every-other", "module-last")
"""Those that take blocks of each module's own run, whichever of them."""


@dataclass(frozen=True)
class Part:
    """One module: a run of predecessor blocks and the successor blocks that replace it, as indices in their stacks."""

    predecessor: range
    successor: range


def partition_blocks(
    depth: int, successor_blocks: int, partition: Partition | None = None, modules: int | None = None
) -> tuple[Part, ...]:
    """The modules of a stack, in order (BERT-of-Theseus, section 3.1).

    Args:
        depth: predecessor blocks.
        successor_blocks: successor blocks.
        partition: runs that are not all equal; None: every module takes the same number of blocks.
        modules: how many of them; default: one for each successor block.

    Raises:
        UserError: the blocks do not divide and no partition is given, the partition does not add up, or the successor
            would not be shallower.
    """
    if not 1 <= successor_blocks < depth:
        raise UserError(
            f"successor_blocks is {successor_blocks}, but the predecessor has {depth} blocks: choose 1 to {depth - 1}"
        )
    if partition is not None and not isinstance(partition, str):
        return _explicit(depth, successor_blocks, partition)
    count = modules or successor_blocks
    if count > successor_blocks:
        raise UserError(f"modules is {count}: choose at most one a successor block, {successor_blocks}")
    if partition is None and depth % count:
        divisors = [n for n in range(1, depth) if depth % n == 0]
        raise UserError(
            f"{depth} predecessor blocks do not divide into {count} modules: choose successor_blocks from {divisors},"
            f" or partition: spread, or list the blocks of each, as in partition: {_spread(depth, count)}"
        )
    return _parts(_spread(depth, count), _spread(successor_blocks, count))


def sources(parts: Sequence[Part], initialisation: Initialisation, kinds: Sequence[str] | None = None) -> list[int]:
    """The predecessor block that each successor block starts as a copy of.

    `first`: the first ones, as the authors do; `last`: the last ones; `every-other`: of each module's own run the
    first, or as many as the module has successor blocks, evenly spaced; `module-last`: the same, up to the run's last.

    Args:
        parts: the modules.
        initialisation: one of the above.
        kinds: of each predecessor block, where they differ: `every-other` and `module-last` then take other blocks of
            the same runs where that is needed for each kind to keep its share; see `keep_shares`.
    """
    depth, blocks = parts[-1].predecessor.stop, parts[-1].successor.stop
    if initialisation == "first":
        return list(range(blocks))
    if initialisation == "last":
        return list(range(depth - blocks, depth))
    ends = initialisation == "module-last"
    own = runs(parts)
    chosen = [run[-1 if ends else 0] for run in own]
    return chosen if kinds is None else keep_shares(own, chosen, kinds)


def runs(parts: Sequence[Part]) -> list[range]:
    """The predecessor blocks that each successor block stands for: its module's, divided evenly."""
    found = []
    for part in parts:
        old, new = len(part.predecessor), len(part.successor)
        found += [part.predecessor[i * old // new : (i + 1) * old // new] for i in range(new)]
    return found


def places(parts: Sequence[Part], chosen: Sequence[int], kinds: Sequence[str] | None) -> list[int]:
    """The place in the predecessor's stack at which each successor block runs while its module is replaced.

    The first of the module's run, as far as all blocks are of one kind. Where kinds alternate, a block runs at a place
    of the kind it was trained for, if its module has one; the model gives the mask to the place.
    """
    found = []
    for part in parts:
        start = part.predecessor.start
        for i, successor in enumerate(part.successor):
            left = len(part.successor) - i - 1
            candidates = range(start, part.predecessor.stop - left)
            alike = (place for place in candidates if kinds and kinds[place] == kinds[chosen[successor]])
            found.append(next(alike, candidates[0]))
            start = found[-1] + 1
    return found


def _explicit(depth: int, successor_blocks: int, partition: Sequence[int | tuple[int, int]]) -> tuple[Part, ...]:
    pairs = [(entry, 1) if isinstance(entry, int) else tuple(entry) for entry in partition]
    runs, counts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    shown = [entry if isinstance(entry, int) else list(entry) for entry in partition]
    if not runs or min(*runs, *counts) < 1 or sum(runs) != depth:
        raise UserError(f"partition {shown} must have entries of 1 or more that add up to {depth} predecessor blocks")
    if sum(counts) != successor_blocks:
        raise UserError(
            f"partition {shown} has {sum(counts)} successor blocks, successor_blocks is {successor_blocks}:"
            f" give {successor_blocks} entries, or pairs [predecessor blocks, successor blocks]"
        )
    if any(run < count for run, count in pairs):
        raise UserError(f"partition {shown}: a module cannot have more successor blocks than predecessor blocks")
    return _parts(runs, counts)


def _parts(runs: Sequence[int], counts: Sequence[int]) -> tuple[Part, ...]:
    starts = [(sum(runs[:i]), sum(counts[:i])) for i in range(len(runs))]
    return tuple(
        Part(range(old, old + run), range(new, new + count))
        for (old, new), run, count in zip(starts, runs, counts, strict=True)
    )


def _spread(blocks: int, parts: int) -> list[int]:
    return [blocks // parts + (i < blocks % parts) for i in range(parts)]
