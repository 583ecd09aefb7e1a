"""What a checkpoint is bound to, and what may lie beside it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification

from tests.tiny import save_tiny, save_vit
from tests.toy_data import write_reviews
from tests.toy_task import Toy
from tests.training.dying import Stopped, stopped_before
from theseus_plugin import UserError, compress, fit, load_recipe
from theseus_plugin.contract import TaskData
from theseus_plugin.recipe import Recipe
from theseus_plugin.training import loop
from theseus_plugin.training.resuming.fingerprints import of_examples, of_model


@pytest.fixture
def interrupted(recipe: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints `step-9` and `step-10` of a run that was stopped after ten of its 12 steps; a copy."""
    recipe["method"]["training"] |= {"checkpoint_steps": 1, "max_steps": 12, "eval_steps": 12}
    whole = tmp_path_factory.getbasetemp() / "interrupted"
    if not whole.is_dir():
        with stopped_before(10):
            compress(recipe)
        shutil.move(f"{recipe['successor']}.checkpoints", whole)
    return Path(shutil.copytree(whole, f"{recipe['successor']}.checkpoints"))


def resumed(recipe: dict[str, Any]) -> Any:
    return compress(load_recipe(recipe, ["method.training.resume=true"]))


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("endless", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_never_ends_in_the_place_of_a_file_is_damage(
    name: str, endless: Callable[[Path], None], interrupted: Path, recipe: dict[str, Any]
) -> None:
    """Opening it would wait for ever."""
    (interrupted / "step-10" / name).unlink()
    endless(interrupted / "step-10" / name)
    assert resumed(recipe)["training"]["resumed_at"] == [9]


def test_killed_before_the_first_evaluation_and_resumed_with_a_shorter_file(
    interrupted: Path, recipe: dict[str, Any], tmp_path: Path
) -> None:
    """It published a folder without weights and removed the checkpoints."""
    whole = Path(recipe["task"]["train"]).read_bytes()
    try:
        Path(recipe["task"]["train"]).write_text("text,label\ngood film,1\nbad film,0\n")
        with pytest.raises(
            UserError, match="was begun on other inputs, these have changed since: the examples of train"
        ):
            resumed(recipe)
        assert not Path(recipe["successor"]).exists()
        assert (interrupted / "step-10").is_dir()
    finally:
        Path(recipe["task"]["train"]).write_bytes(whole)
    assert resumed(recipe)["training"]["resumed_at"] == [10]


def test_fit_from_another_model_of_the_same_name(recipe: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    recipe["model"] = str(save_tiny(tmp_path / "model", head=False, layers=2))
    recipe["predecessor"] = str(tmp_path / "fitted")
    recipe["fit"] |= {"checkpoint_steps": 1}
    original = loop._Run._save

    def spied(self: Any, phase: Any) -> None:
        original(self, phase)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_save", spied)
        with pytest.raises(Stopped):
            fit(recipe)
    save_tiny(tmp_path / "model", head=False, layers=2, seed=1)
    recipe["fit"]["resume"] = True
    with pytest.raises(UserError, match=f"changed since: weights or configuration of {recipe['model']}; continue"):
        fit(recipe)
    save_tiny(tmp_path / "model", head=False, layers=2)
    assert fit(recipe)["training"]["resumed_at"] == [1]


def test_what_else_lies_among_checkpoints_is_ignored(interrupted: Path, recipe: dict[str, Any]) -> None:
    for name in ("step-old", "step-", "step-1.5", "step--3", "step-99x", "step-²", ".step-11.partial", "other"):
        shutil.copytree(interrupted / "step-9", interrupted / name)
    (interrupted / "step-50").write_text("a file")
    (interrupted / "notes.txt").write_text("a file")
    assert resumed(recipe)["training"]["resumed_at"] == [10]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", "3", '"x"', "[" * 100_000, '{"a":' * 100_000, '{"files": [], "recipe": {}}',
     '{"files": {}, "recipe": {}}', '{"files": {"../x": "y"}, "recipe": {}}',
     '{"files": {"state.json": 3}, "recipe": 1}',
     "\x00\xff", "folder"],
    ids=lambda content: repr(content[:24]),
)  # fmt: skip
def test_a_strange_manifest_is_damage(
    content: str, interrupted: Path, recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = interrupted / "step-10" / "manifest.json"
    manifest.unlink()
    if content == "folder":
        manifest.mkdir()
    else:
        manifest.write_bytes(content.encode("latin-1"))
    assert resumed(recipe)["training"]["resumed_at"] == [9]
    assert "step-10 is damaged (manifest.json cannot be read): taking the one before" in capsys.readouterr().err


def test_nothing_in_a_checkpoint_is_a_pickle(interrupted: Path) -> None:
    files = {path.name: path for path in (interrupted / "step-10").iterdir()}
    assert set(files) == {
        "best.safetensors", "manifest.json", "model.safetensors", "optimizer-0.safetensors", "random-0.safetensors",
        "state.json",
    }  # fmt: skip
    for name, path in files.items():
        assert json.loads(path.read_text()) if name.endswith(".json") else load_file(path) is not None


def test_weights_that_nobody_chose_are_not_published(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop._Run, "_evaluate", lambda self, phase: None)
    with pytest.raises(UserError, match="this run chose no weights to write, so nothing was written"):
        compress(recipe)
    assert not Path(recipe["successor"]).exists()
    assert Path(f"{recipe['successor']}.checkpoints").is_dir()


def hash_of(examples: Any, texts: Any = ()) -> str:
    nothing: Any = None
    data = TaskData({"train": examples}, collate=nothing, score=nothing, metric="f1", head={}, texts={"train": texts})
    return of_examples(data)["train"]


def test_examples_in_memory_and_in_a_file_are_told_apart_by_any_number() -> None:
    rows = [{"input_ids": [1, 2, at], "labels": at % 2} for at in range(3000)]
    changed = [dict(row) for row in rows]
    changed[2500] = {"input_ids": [1, 2, 2500], "labels": 1}
    for made in (list, tuple, datasets.Dataset.from_list):
        assert hash_of(made(rows)) == hash_of(made([dict(row) for row in rows]))
        assert hash_of(made(rows)) != hash_of(made(changed))
        assert hash_of(made(rows)) != hash_of(made(rows[:-1]))
    arrays = [{name: np.array(value) for name, value in row.items()} for row in rows]
    tensors = [{name: torch.tensor(value) for name, value in row.items()} for row in rows]
    for kind in (arrays, tensors):
        before = hash_of(kind)
        assert before == hash_of([dict(row) for row in kind])
        kind[2999] = kind[2998]
        assert before != hash_of(kind)


def test_texts_tell_examples_that_are_made_when_asked_for() -> None:
    [train, _] = Toy().load("").splits.values()
    assert hash_of(train) == hash_of(Toy().load("").splits["train"])
    assert hash_of(train, [("a",), ("b",)]) != hash_of(train, [("a",), ("c",)])
    other = Toy().load("").splits["train"]
    other.seed = 5  # type: ignore[attr-defined]
    assert hash_of(train) != hash_of(other)


def test_examples_that_are_others_each_time_do_not_keep_a_run_from_being_resumed() -> None:
    class Anew(list[Any]):
        pass

    class Noise:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, at: int) -> Any:
            return {"pixel_values": np.random.default_rng().random(4), "labels": 0}

    assert hash_of(Noise()) == hash_of(Noise())
    assert hash_of(Anew([{"labels": 0}])) != hash_of(Anew([{"labels": 1}]))


def test_images_are_not_decoded_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        file = tmp_path / "images" / "train" / str(number % 2) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), number, dtype=np.uint8)).save(file)
    model = save_vit(tmp_path / "model", num_labels=2, id2label={0: "0", 1: "1"})
    task = Recipe(task={"name": "image-classification", "data": str(tmp_path / "images")}).create_task()

    def found() -> str:
        return of_examples(task.load(str(model), ["train"]))["train"]

    before = found()
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", lambda *_: pytest.fail("decoded"))
        assert found() == before
    Image.fromarray(np.full((16, 16), 99, dtype=np.uint8)).save(tmp_path / "images" / "train" / "1" / "7.png")
    assert found() != before


def test_weights_and_configuration_tell_a_model(tmp_path: Path) -> None:
    def loaded(**options: Any) -> str:
        return of_model(AutoModelForSequenceClassification.from_pretrained(tmp_path / "m", **options))

    save_tiny(tmp_path / "m", layers=1)
    before = loaded()
    shutil.move(tmp_path / "m", tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "m")
    assert loaded() == before
    assert loaded(hidden_act="relu") != before
    save_tiny(tmp_path / "m", layers=1, seed=2)
    assert loaded() != before


def test_a_longer_file_is_refused_too(interrupted: Path, recipe: dict[str, Any], tmp_path: Path) -> None:
    longer = write_reviews(tmp_path / "longer.csv", 91, seed=1)
    recipe["task"] |= {"train": str(longer)}
    for manifest in interrupted.glob("*/manifest.json"):
        content = json.loads(manifest.read_text())
        content["recipe"]["task"]["train"] = str(longer)
        manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match="these have changed since: the examples of train"):
        resumed(recipe)
