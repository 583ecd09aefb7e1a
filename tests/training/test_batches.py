from __future__ import annotations

import random

import pytest

from theseus_plugin.training.batches import SimilarLengthBatches

LENGTHS = [random.Random(4).randrange(5, 128) for _ in range(1003)]


def batches(epoch: int = 0, batch_size: int = 8, processes: int = 1, seed: int = 0) -> list[list[int]]:
    sampler = SimilarLengthBatches(LENGTHS, batch_size, processes, seed)
    sampler.epoch = epoch
    assert len(sampler) == len(list(sampler))
    return list(sampler)


@pytest.mark.parametrize(("batch_size", "processes"), [(8, 1), (8, 2), (5, 3), (2000, 1)])
def test_each_example_once(batch_size: int, processes: int) -> None:
    indices = [i for batch in batches(0, batch_size, processes) for i in batch]
    assert sorted(indices) == list(range(1003))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    assert batches(epoch=0) == batches(epoch=0)
    assert batches(epoch=0) != batches(epoch=1)
    assert batches(seed=0) != batches(seed=1)


def test_little_padding() -> None:
    """Random batches of 8 from these lengths would be padded by about 80 %."""
    padded = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches())
    assert padded < 1.1 * sum(LENGTHS)


def test_long_and_short_batches_are_mixed() -> None:
    longest = [max(LENGTHS[i] for i in batch) for batch in batches()]
    half = len(longest) // 2
    assert abs(sum(longest[:half]) / half - sum(longest[half:]) / (len(longest) - half)) < 15


def test_the_examples_of_a_step_do_not_depend_on_the_number_of_processes() -> None:
    """Two processes with batches of 8 and one with batches of 16 see the same 16 examples in every step."""
    one = batches(batch_size=16)
    two = batches(batch_size=8, processes=2)
    steps = [a + b for a, b in zip(two[:-1:2], two[1::2], strict=False)]
    assert steps[:62] == one[:62]
