from __future__ import annotations

import numpy as np
import pytest
import torch

from theseus_plugin.distillation.losses import asked, attention_loss, hidden_loss, logits_loss, patient_loss


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


def test_the_first_tokens_hidden_states() -> None:
    mine, its = draws(4, 6, 8), draws(4, 6, 8, seed=1)

    def first(hidden: np.ndarray) -> np.ndarray:
        return hidden[:, 0] / np.linalg.norm(hidden[:, 0], axis=-1, keepdims=True)

    expected = sum(((first(a) - first(b)) ** 2).sum(-1).mean() for a, b in zip(mine, its, strict=True))
    assert patient_loss(tensors(mine), tensors(its)).item() == pytest.approx(expected, rel=1e-5)


def test_padding_counts_neither_in_hidden_states_nor_in_attention() -> None:
    mine, its = draws(2, 3, 8), draws(2, 3, 8, seed=1)
    tokens = np.array([[True, True, True], [True, True, False]])
    expected = sum(((a - b) ** 2)[tokens].mean() for a, b in zip(mine, its, strict=True))
    found = hidden_loss(tensors(mine), tensors(its), torch.from_numpy(tokens))
    assert found.item() == pytest.approx(expected, rel=1e-5)

    mine, its = draws(2, 4, 3, 3), draws(2, 4, 3, 3, seed=1)
    squares = [(a - b) ** 2 for a, b in zip(mine, its, strict=True)]
    expected = sum(np.concatenate([one[0].ravel(), one[1, :, :2, :2].ravel()]).mean() for one in squares)
    found = attention_loss(tensors(mine), tensors(its), torch.from_numpy(tokens))
    assert found.item() == pytest.approx(expected, rel=1e-5)
