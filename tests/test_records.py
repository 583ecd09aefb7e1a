"""Records beside models: ours tell the task, those of other tools are in nobody's way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from theseus_plugin import api, export
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import model_files
from theseus_plugin.records import trained_by

FOREIGN = ["{}", "[]", "null", "{", "", "[" * 100_000, '{"recipe": "mine.yaml"}', '{"recipe": {"task": {"name": 5}}}']


def folder(path: Path, name: str, content: str) -> Path:
    path.mkdir()
    (path / name).write_text(content)
    return path


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_record_is_in_nobodys_way(tmp_path: Path, reviews: dict[str, Any], content: str) -> None:
    foreign = folder(tmp_path / "foreign", "result.json", content)
    assert trained_by(foreign) is None
    assert api._task({"task": reviews}, str(foreign)).name == "text-classification"
    with pytest.raises(UserError, match=r"result\.json.*give one with --task RECIPE") as caught:
        api._task(None, str(foreign))
    assert str(caught.value).isprintable()


def test_the_first_record_that_is_ours_tells_the_task(tmp_path: Path, reviews: dict[str, Any]) -> None:
    recipe = {"task": reviews, "fit": {"epochs": 1}}
    foreign = folder(tmp_path / "foreign", "result.json", "{}")
    trained = folder(tmp_path / "trained", "result.json", json.dumps({"recipe": recipe, "more": [0] * 200_000}))
    exported = folder(tmp_path / "exported", "export.json", json.dumps({"task": {**reviews, "max_length": 16}}))
    assert trained_by(trained) == recipe
    assert api._task(None, str(foreign), str(trained), str(exported)).config.max_length == 32
    assert api._task(None, str(exported), str(trained)).config.max_length == 16


def test_a_task_in_a_record_that_is_wrong_names_the_model(tmp_path: Path, reviews: dict[str, Any]) -> None:
    content = {"recipe": {"task": {**reviews, "max_length": "long"}}}
    trained = folder(tmp_path / "trained", "result.json", json.dumps(content))
    with pytest.raises(UserError, match=r"trained: task\.max_length: input should be a valid integer"):
        api._task(None, str(trained))


def test_a_checkpoint_with_a_foreign_record_is_exported(
    tmp_path: Path, predecessor: Path, reviews: dict[str, Any]
) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(predecessor, checkpoint)
    (checkpoint / "result.json").write_text('{"recipe": null}')
    record = export(str(checkpoint), str(tmp_path / "onnx"), {"task": reviews})
    stamped = model_files.read(tmp_path / "onnx" / "model.onnx")
    assert json.loads(stamped["recipe"]) == {"task": record["task"]}
