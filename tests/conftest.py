"""Fixtures shared by all tests: no network, a tiny predecessor, a toy task on files."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
# tiny models gain nothing from threads, and threads of several processes wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

import copy
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.commands import Run
from tests.stock_process import StockProcess
from tests.tiny import save_tiny
from tests.toy_data import write_reviews


def pytest_collection_finish() -> None:
    """Spare collections of garbage what has been imported: going through that takes as long as a short training."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(Path(__file__).parents[1])]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def stock_process() -> Iterator[StockProcess]:
    """A process that reads checkpoints without this package."""
    with StockProcess() as process:
        yield process


@pytest.fixture
def warm_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring processes that have imported everything when they start."""
    from tests.warm_children import InTheirPlace

    monkeypatch.setattr("theseus_plugin.measure.child.subprocess", InTheirPlace)


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The `task` section of a recipe on toy files: 90 examples to train on, 29 to validate."""
    folder = tmp_path_factory.mktemp("reviews")
    return {
        "name": "text-classification",
        "train": str(write_reviews(folder / "train.csv", 90, seed=1)),
        "validation": str(write_reviews(folder / "validation.csv", 29, seed=2)),
        "text": "text",
        "max_length": 32,
    }


@pytest.fixture(scope="session")
def predecessor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT classifier of six blocks."""
    return save_tiny(tmp_path_factory.mktemp("predecessor") / "bert")


@pytest.fixture
def recipe(tmp_path: Path, predecessor: Path, reviews: dict[str, Any]) -> dict[str, Any]:
    """A run of a second: six blocks to three, in fp32."""
    training = {"epochs": 2, "batch_size": 8, "eval_steps": 6, "learning_rate": 1e-3, "precision": "fp32", "seed": 3}
    content: dict[str, Any] = {
        "model": str(predecessor),
        "predecessor": str(predecessor),
        "successor": str(tmp_path / "successor"),
        "task": reviews,
        "fit": training,
        "method": {"name": "theseus", "successor_blocks": 3, "training": training},
    }
    return copy.deepcopy(content)  # tests change it, and the task is shared by all of them


@pytest.fixture
def run(tmp_path: Path, recipe: dict[str, Any]) -> Run:
    """`theseus-plugin COMMAND recipe.yaml` in a process, the recipe being the fixture's as the test has changed it."""

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(recipe))
        return warm.command(command, str(path), *arguments)

    return run


@pytest.fixture
def run_here(tmp_path: Path, recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> Run:
    """The same in the tests' own process, which has imported everything already."""
    from theseus_plugin.cli import main

    def run_here(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(recipe))
        with pytest.raises(SystemExit) as ended:
            main([command, str(path), *arguments])
        return subprocess.CompletedProcess([command], int(ended.value.code or 0), *capfd.readouterr())

    return run_here


@pytest.fixture
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks' records are in folders of the test's own, `results` and `new`."""
    from benchmarks import records

    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(records, "NEW", tmp_path / "new")
