from __future__ import annotations

import numpy as np
import pytest
import torch

from theseus_plugin.methods.teaching.logits import asked, logits_loss


def softmax(x: np.ndarray) -> np.ndarray:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def draws(*shape: int, count: int = 2, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for _ in range(count)]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array).float() for array in arrays]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_logits(temperature: float) -> None:
    mine, its = draws(5, 3)
    p, q = softmax(its / temperature), softmax(mine / temperature)
    expected = (p * np.log(p / q)).sum(-1).mean() * temperature**2
    assert logits_loss(*tensors([mine, its]), temperature).item() == pytest.approx(expected, rel=1e-5)
    assert logits_loss(*tensors([its, its]), temperature).item() == pytest.approx(0, abs=1e-6)


def test_one_output_is_a_regression() -> None:
    mine, its = draws(5, 1)
    assert logits_loss(*tensors([mine, its]), 7.0).item() == pytest.approx(((mine - its) ** 2).mean(), rel=1e-5)


def test_tokens_that_are_asked_about() -> None:
    logits = torch.arange(24.0).view(2, 4, 3)
    labels = torch.tensor([[-100, 1, -100, 2], [0, -100, -100, -100]])
    assert asked(logits, labels, shifted=False).tolist() == [[3, 4, 5], [9, 10, 11], [12, 13, 14]]
    assert asked(logits, labels, shifted=True).tolist() == [[0, 1, 2], [6, 7, 8]]
    assert asked(logits[:, 0], labels[:, 0], shifted=False).tolist() == [[0, 1, 2], [12, 13, 14]]
