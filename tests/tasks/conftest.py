from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import pytest

from tests.tiny import save_tiny

GLUE = Path(os.environ.get("THESEUS_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data")) / "glue"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tests prepare goes nowhere near the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("datasets-cache")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        yield folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier with the generic names LABEL_0 and LABEL_1."""
    return str(save_tiny(tmp_path_factory.mktemp("tiny") / "bert", layers=1))


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny") / "roberta", "roberta", num_labels=1, layers=1))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a text file, newlines as given, and returns its path."""

    def _write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return str(path)

    return _write


@pytest.fixture
def glue() -> Path:
    if not GLUE.is_dir():
        pytest.skip(f"no {GLUE}: set THESEUS_TEST_DATA to the folder of the real data")
    return GLUE
