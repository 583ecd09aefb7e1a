"""Records beside models: ours tell the task, those of other tools are in nobody's way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from theseus_plugin import api, export
from theseus_plugin.checkpoint import load_to_run
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import model_files
from theseus_plugin.records import OwnFormat, own_format, trained_by

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


FORMAT = {"method": "other", "precision": "int8"}


@pytest.mark.parametrize("content", [*FOREIGN, json.dumps({"format": FORMAT, "parameters": {"after": 1}})])
def test_a_foreign_record_tells_no_format(tmp_path: Path, content: str) -> None:
    assert own_format(folder(tmp_path / "foreign", "result.json", content)) is None
    assert own_format(tmp_path) is None
    assert own_format("a/hub-name") is None


@pytest.mark.parametrize("told", [None, "pt", 5, [], {}, {"kind": "json"}])
def test_a_format_without_a_method_is_somebody_elses(tmp_path: Path, predecessor: Path, told: Any) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(predecessor, checkpoint)
    (checkpoint / "result.json").write_text(json.dumps({"recipe": {"task": {"name": "mine"}}, "format": told}))
    assert own_format(checkpoint) is None
    model = load_to_run(str(checkpoint), "AutoModelForSequenceClassification")
    assert type(model).__name__ == "BertForSequenceClassification"


def test_a_record_tells_the_method_and_what_it_computes_in(tmp_path: Path) -> None:
    record = {"recipe": {"task": {"name": "mine"}}, "format": FORMAT, "parameters": {"before": 9, "after": 7}}
    assert own_format(folder(tmp_path / "own", "result.json", json.dumps(record))) == OwnFormat("other", "int8", 7)


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
    stamped = model_files.stamped(tmp_path / "onnx" / "model.onnx")
    assert json.loads(stamped["recipe"]) == {"task": record["task"]}
