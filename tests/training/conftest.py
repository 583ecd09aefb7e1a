"""Fixtures of the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import save_tiny


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predecessor without dropout: that of two processes cannot be the same."""
    folder = tmp_path_factory.mktemp("still") / "bert"
    return save_tiny(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
