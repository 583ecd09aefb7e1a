"""The fitter `growing`, registered by a distribution of its own, and recipes that name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny


@pytest.fixture(scope="session")
def growing_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the import path, with the metadata of a distribution that registers the fitter."""
    site = tmp_path_factory.mktemp("site")
    info = site / "other_growing-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-growing\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[model_compression.fitters]\ngrowing = tests.seam.growing:Growing\n")
    return site


@pytest.fixture
def growing(
    tmp_path: Path, growing_site: Path, reviews: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A recipe of 24 steps, 12 of each phase, with dropout; in bf16, but for the first phase."""
    monkeypatch.syspath_prepend(str(growing_site))
    return {
        "model": str(save_tiny(tmp_path / "small", head=False, layers=1)),
        "predecessor": str(tmp_path / "fitted"),
        "task": dict(reviews),
        "fit": {"name": "growing", "epochs": 2, "batch_size": 8, "eval_steps": 5, "checkpoint_steps": 4,
                "learning_rate": 1e-3, "precision": "bf16", "seed": 3},
    }  # fmt: skip
