from __future__ import annotations

import numpy as np
import pytest
import torch

from theseus_plugin.methods.teaching.losses import attention_loss, hidden_loss, patient_loss


def draws(*shape: int, count: int = 2, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for _ in range(count)]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array).float() for array in arrays]


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
