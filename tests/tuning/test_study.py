from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import Run, refused
from theseus_plugin import api, compress, tune
from theseus_plugin.errors import Interrupted, UserError
from theseus_plugin.files import read_json

RATE = "training.learning_rate"
SCHEDULES = [{"name": "constant", "rate": rate} for rate in (0.5, 0.7)]


class Compressed:
    """Stands for `compress`: the score of a learning rate is known, and so are the seconds."""

    def __init__(self, scores: dict[float, float | Exception], seconds: float = 60.0, lower: bool = False) -> None:
        self.scores, self.seconds, self.lower = scores, seconds, lower
        self.asked: list[float] = []

    def __call__(self, recipe: Any) -> dict[str, Any]:
        rate = recipe.method["training"]["learning_rate"]
        self.asked.append(rate)
        assert recipe.method["training"]["resume"]
        score = self.scores[rate]
        if isinstance(score, Exception):
            raise score
        folder = Path(recipe.successor)
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"output": str(folder), "rate": rate}))
        lower = ["loss"] if self.lower else []
        return {
            "after": {"loss": score},
            "metric": "loss",
            "lower_is_better": lower,
            "training": {"seconds": self.seconds},
        }


@pytest.fixture
def search(recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tune` over learning rates alone, with a stand-in for `compress`."""

    def search(compressed: Compressed, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(api, "compress", compressed)
        values = {RATE: list(compressed.scores), "schedule": SCHEDULES[:1]}
        return tune(recipe, output=tmp_path / "tuned.yaml", search=values, **options)

    return search


def test_the_best_is_kept_and_written(search: Any, recipe: dict[str, Any], tmp_path: Path) -> None:
    record = search(Compressed({1e-3: 0.5, 2e-3: 0.8, 3e-3: 0.7}))
    assert record["best"]["values"][RATE] == 2e-3
    assert record["trials"][0]["score"] == 0.5
    assert len(record["trials"]) == 3  # all there are
    successor = Path(recipe["successor"])
    assert read_json(successor / "result.json") == {"output": str(successor), "rate": 2e-3}
    assert read_json(successor / "tuning.json")["trials"] == record["trials"]
    assert sorted(path.name for path in successor.parent.iterdir() if path.name.startswith("succ")) == ["successor"]
    written = yaml.safe_load((tmp_path / "tuned.yaml").read_text())
    expected = {**recipe["method"]["training"], "learning_rate": 2e-3}
    assert written["method"]["training"] == expected
    assert written["method"]["schedule"]["rate"] == 0.5
    assert {key: written[key] for key in ("predecessor", "task")} == {
        key: recipe[key] for key in ("predecessor", "task")
    }


def test_less_is_better_where_the_task_says_so(search: Any) -> None:
    record = search(Compressed({1e-3: 5.0, 2e-3: 8.0, 3e-3: 7.0}, lower=True))
    assert record["best"]["metrics"] == {"loss": 5.0}


def test_no_trial_is_started_that_would_not_fit(search: Any) -> None:
    compressed = Compressed({1e-3: 0.5, 2e-3: 0.8, 3e-3: 0.7, 4e-3: 0.1})
    assert len(search(compressed, minutes=2.5)["trials"]) == 2
    assert len(compressed.asked) == 2


def test_a_number_of_trials(search: Any) -> None:
    assert len(search(Compressed({rate / 1000: 0.5 for rate in range(1, 9)}), trials=3)["trials"]) == 3


def test_a_trial_that_fails_is_told_and_passed_over(search: Any, capfd: pytest.CaptureFixture[str]) -> None:
    record = search(Compressed({1e-3: 0.5, 2e-3: UserError("the loss is no number"), 3e-3: 0.7}))
    assert record["best"]["values"][RATE] == 3e-3
    assert [trial["problem"] for trial in record["trials"] if trial["score"] is None] == ["the loss is no number"]
    assert "the loss is no number" in capfd.readouterr().err


def test_what_fails_with_the_recipes_own_values_is_the_users_to_mend(search: Any) -> None:
    with pytest.raises(UserError, match="no such column"):
        search(Compressed({1e-3: UserError("no such column"), 2e-3: 0.8}))


def test_an_interrupted_search_goes_on_with_the_trial_it_was_in(search: Any, recipe: dict[str, Any]) -> None:
    scores: dict[float, float | Exception] = {1e-3: 0.5, 2e-3: 0.6, 3e-3: 0.7, 4e-3: 0.4}
    whole = Compressed(scores)
    expected = search(whole)
    Path(recipe["successor"]).rename(f"{recipe['successor']}-whole")
    Path(expected["output"]).unlink()

    stopped = Compressed({**scores, whole.asked[2]: Interrupted("stopped", 15)})
    with pytest.raises(Interrupted):
        search(stopped)
    assert not Path(recipe["successor"]).exists()
    with pytest.raises(UserError, match="--resume"):
        search(Compressed(scores))
    rest = Compressed(scores)
    assert search(rest, resume=True)["trials"] == expected["trials"]
    assert rest.asked == whole.asked[2:]


def test_a_search_of_another_recipe_is_not_continued(search: Any, recipe: dict[str, Any]) -> None:
    with pytest.raises(Interrupted):
        search(Compressed({1e-3: Interrupted("stopped", 15)}))
    recipe["method"]["successor_blocks"] = 2
    with pytest.raises(UserError, match="another recipe"):
        search(Compressed({1e-3: 0.5}), resume=True)


def test_a_recipe_that_cannot_be_written_loses_nothing(
    search: Any, tmp_path: Path, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tuned.yaml").symlink_to("/nowhere/tuned.yaml")
    with pytest.raises(UserError, match=r"is a link to /nowhere/tuned.yaml, which is not there"):
        search(Compressed({1e-3: 0.5}))
    (tmp_path / "tuned.yaml").unlink()
    with pytest.raises(UserError, match="there is no folder /nowhere: make it first"):
        tune(recipe, output="/nowhere/tuned.yaml", search={RATE: [1e-3], "schedule": SCHEDULES[:1]})
    rename = Path.rename

    def refuse(path: Path, target: Any) -> Any:
        if Path(target).name == "tuned.yaml":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as full, pytest.raises(UserError, match="--resume"):
        full.setattr(Path, "rename", refuse)
        search(Compressed({1e-3: 0.5}))
    assert not Path(recipe["successor"]).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["successor.tuning"]
    again = Compressed({1e-3: 0.5})
    assert search(again, resume=True)["best"]["values"][RATE] == 1e-3
    assert again.asked == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("successor", "beside it"),
        ("successor/tuned.yaml", "beside it"),
        ("successor/deep/tuned.yaml", "beside it"),
        ("successor.tuning/tuned.yaml", "beside it"),
        ("x/../successor/tuned.yaml", "beside it"),
        ("no/tuned.yaml", "there is no folder"),
    ],
)
def test_an_output_in_the_way_is_told_before_any_trial(
    tmp_path: Path, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    compressed = Compressed({1e-3: 0.5})
    monkeypatch.setattr(api, "compress", compressed)
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match=said):
        tune(recipe, output=tmp_path / output, search={RATE: [1e-3], "schedule": SCHEDULES[:1]})
    assert compressed.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_first_trial_that_cannot_start_leaves_nothing(search: Any, recipe: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no such column"):
        search(Compressed({1e-3: UserError("no such column")}))
    assert not Path(f"{recipe['successor']}.tuning").exists()
    recipe["method"]["temperature"] = 3.0
    assert search(Compressed({1e-3: 0.5}))["best"]["score"] == 0.5


def test_a_first_trial_that_had_trained_keeps_its_checkpoints(search: Any, recipe: dict[str, Any]) -> None:
    checkpoint = Path(f"{recipe['successor']}.tuning", "running.checkpoints", "step-4")

    class Lost(Compressed):
        def __call__(self, recipe: Any) -> dict[str, Any]:
            checkpoint.mkdir(parents=True)
            return super().__call__(recipe)

    with pytest.raises(UserError, match="disk is full"):
        search(Lost({1e-3: UserError("disk is full")}))
    assert checkpoint.is_dir()
    assert search(Compressed({1e-3: 0.5}), resume=True)["best"]["score"] == 0.5


def test_what_stands_where_the_search_writes_is_left_alone(search: Any, recipe: dict[str, Any]) -> None:
    mine = Path(f"{recipe['successor']}.tuning", "mine.txt")
    mine.parent.mkdir()
    mine.write_text("keep me")
    with pytest.raises(UserError, match="holds something else: move it"):
        search(Compressed({1e-3: 0.5}))
    assert mine.read_text() == "keep me"


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "null", "{", "[" * 100_000, '{"recipe": {}, "trials": [{}]}', '{"recipe": {}, "trials": {}}'],
)
def test_a_record_that_is_none_is_not_resumed(search: Any, recipe: dict[str, Any], content: str) -> None:
    folder = Path(f"{recipe['successor']}.tuning")
    folder.mkdir()
    (folder / "tuning.json").write_text(content)
    with pytest.raises(UserError, match="remove the folder to start anew"):
        search(Compressed({1e-3: 0.5}), resume=True)


def test_a_search_that_lost_its_best_successor_is_not_resumed(search: Any, recipe: dict[str, Any]) -> None:
    with pytest.raises(Interrupted):
        search(Compressed({1e-3: 0.5, 2e-3: Interrupted("stopped", 15)}))
    Path(f"{recipe['successor']}.tuning", "best", "result.json").unlink()
    with pytest.raises(UserError, match="has lost its best successor"):
        search(Compressed({1e-3: 0.5, 2e-3: 0.6}), resume=True)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"trials": 0}, "trials: input should be greater"),
        ({"trials": True}, "trials: input should be a number"),
        ({"minutes": float("nan")}, "minutes: input should be a finite number"),
        ({"minutes": float("inf")}, "minutes: input should be a finite number"),
        ({"minutes": -1}, "minutes: input should be greater"),
    ],
)
def test_limits_that_are_none(search: Any, recipe: dict[str, Any], limits: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        search(Compressed({1e-3: 0.5}), **limits)
    assert not Path(f"{recipe['successor']}.tuning").exists()


@pytest.mark.parametrize("values", [5, "abc", [], {}, None])
def test_values_of_a_program_are_a_list_too(recipe: dict[str, Any], tmp_path: Path, values: Any) -> None:
    with pytest.raises(UserError, match="give a list of values"):
        tune(recipe, output=tmp_path / "tuned.yaml", search={RATE: values})


def test_no_launcher(search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="one process"):
        search(Compressed({1e-3: 0.5}))


def test_the_command_trains_what_compress_trains(run: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    search = ["--search", f"schedule={json.dumps(SCHEDULES)}", "--search", f"{RATE}=[1e-3]"]
    process = run("tune", *search, "--json")
    assert process.returncode == 0, process.stderr
    record = json.loads(process.stdout)
    assert len(record["trials"]) == 2
    content = yaml.safe_load((tmp_path / "recipe-tuned.yaml").read_text())
    content["successor"] += "-again"
    again = compress(content)
    assert again["after"] == record["best"]["metrics"]
    before = Path(recipe["successor"], "model.safetensors").read_bytes()
    assert Path(content["successor"], "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "given", ["training.learning_rate=1e-3", "training.learning_rate", "training.learning_rate=[]"]
)
def test_values_are_a_list(run: Run, given: str) -> None:
    refused(run("tune", "--search", given), "give a list of values")
