"""The task on a file of a few texts."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from theseus_plugin import UserError, fit


def task(**options: Any) -> Any:
    """The plugin, found as a toolkit finds it."""
    [point] = entry_points(group="model_compression.tasks", name="held-out")
    plugin = point.load()
    return plugin(plugin.Config.model_validate(options))


def test_load(checkpoint: str, reviews: Path) -> None:
    data = task(file=str(reviews), every=4).load(checkpoint)
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 15, "validation": 5}
    assert data.texts["validation"] == [("the film was bad",)] * 5, "rows 4, 8, ... 20"
    batch = data.collate(data.splits["train"][:2])
    # [CLS] the film was good [SEP], as the checkpoint's own tokenizer has it
    assert batch["input_ids"].tolist() == [[2, 4, 5, 6, 7, 3], [2, 4, 5, 6, 8, 3]]
    assert batch["labels"].tolist() == [1, 0]
    assert data.max_length == 32, "what the checkpoint takes"


def test_a_model_is_trained_on_it(checkpoint: str, reviews: Path, tmp_path: Path) -> None:
    training = {"max_steps": 2, "batch_size": 4, "precision": "fp32"}
    section = {"name": "held-out", "file": str(reviews), "every": 5}
    record = fit({"model": checkpoint, "predecessor": str(tmp_path / "fitted"), "task": section, "fit": training})
    assert record["training"]["examples"] == {"train": 16, "validation": 4}
    assert record["after"]["accuracy"] in (0, 0.25, 0.5, 0.75, 1)


def test_what_is_wrong_is_one_line(checkpoint: str, reviews: Path) -> None:
    with pytest.raises(UserError, match=r"reviews\.csv: no column 'txt': did you mean 'text'\?"):
        task(file=str(reviews), text="txt").load(checkpoint)
    with pytest.raises(UserError, match=r"reviews\.csv: 20 rows, none is left for validation"):
        task(file=str(reviews), every=21).load(checkpoint)
