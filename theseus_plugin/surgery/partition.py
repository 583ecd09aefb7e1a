"""Which run of predecessor blocks each module holds."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.errors import UserError


def partition_blocks(depth: int, successor_blocks: int, partition: Sequence[int] | None = None) -> tuple[range, ...]:
    """Indices of the predecessor blocks of each module, in order (BERT-of-Theseus, section 3.1).

    Without `partition` every module takes the same number of blocks; with it, module `i` takes `partition[i]`.
    A module has one successor block.

    Raises:
        UserError: `depth` does not divide evenly and no partition is given, the partition does not add up,
            or the successor would not be shallower.
    """
    if not 1 <= successor_blocks < depth:
        raise UserError(
            f"successor_blocks is {successor_blocks}, but the predecessor has {depth} blocks: choose 1 to {depth - 1}"
        )
    if partition is None:
        if depth % successor_blocks:
            divisors = [n for n in range(1, depth) if depth % n == 0]
            raise UserError(
                f"{depth} predecessor blocks do not divide into {successor_blocks} modules: choose successor_blocks"
                f" from {divisors}, or list the blocks of each, as in partition: {_example(depth, successor_blocks)}"
            )
        partition = [depth // successor_blocks] * successor_blocks
    if len(partition) != successor_blocks or sum(partition) != depth or min(partition) < 1:
        raise UserError(
            f"partition {list(partition)} must have {successor_blocks} entries of 1 or more that add up to {depth}"
        )
    starts = [sum(partition[:i]) for i in range(len(partition))]
    return tuple(range(start, start + size) for start, size in zip(starts, partition, strict=True))


def _example(depth: int, parts: int) -> list[int]:
    return [depth // parts + (i < depth % parts) for i in range(parts)]
