"""Killed at any moment and taken up again, a run ends with the same weights, bit for bit."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests import warm
from tests.clean_process import exit_code
from tests.patience import finished
from tests.training.dying import die_at
from theseus_plugin import UserError, compress, load_recipe
from theseus_plugin.cli import main
from theseus_plugin.files import sha256


def command_and_signal(arguments: list[str], how: str, step: int) -> None:
    """Our command in a process that sends itself a signal at a step."""
    die_at("step", step, signal.Signals[how])
    main(arguments)


def training(**more: Any) -> dict[str, Any]:
    """24 steps with dropout, accumulation of nothing, an evaluation every 5, a checkpoint every 4."""
    return {"epochs": 2, "batch_size": 8, "eval_steps": 5, "checkpoint_steps": 4, "learning_rate": 1e-3,
            "precision": "fp32", "seed": 3, **more}  # fmt: skip


def compress_and_die(recipe: dict[str, Any], resume: bool, where: str, number: int) -> None:
    """What a process does that kills itself."""
    die_at(where, number, signal.SIGKILL)
    compress(load_recipe(recipe, [f"method.training.resume={str(resume).lower()}"]))


@pytest.fixture
def killed(recipe: dict[str, Any]) -> Callable[..., None]:
    """Runs `compress` in a process that kills itself."""
    recipe["method"]["training"] = training()

    def run(where: str, number: int, resume: bool = False) -> None:
        assert exit_code(compress_and_die, recipe, resume, where, number) == -signal.SIGKILL
        assert not Path(recipe["successor"]).exists()

    return run


@pytest.fixture
def command(recipe: dict[str, Any], tmp_path: Path) -> Callable[..., warm.Ended]:
    """Runs the command in a process that sends itself a signal at a step."""
    recipe["method"]["training"] = training(eval_steps=16, checkpoint_steps=8)

    def run(how: str, step: int, *more: str, fresh: bool = False) -> warm.Ended:
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
        arguments = ["compress", str(tmp_path / "recipe.json"), *more]
        if not fresh:
            return warm.called(command_and_signal, arguments, how, step)
        code = f"from {__name__} import command_and_signal; command_and_signal({arguments!r}, {how!r}, {step})"
        return finished([sys.executable, "-c", code])

    return run


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The result of a recipe's run that nothing stops; each is run once."""
    results: dict[str, dict[str, Any]] = {}

    def run(recipe: dict[str, Any]) -> dict[str, Any]:
        key = json.dumps(recipe["method"])
        if key not in results:
            folder = tmp_path_factory.mktemp("whole") / "successor"
            results[key] = dict(compress(load_recipe(recipe, [f"successor={folder}"])))
        return results[key]

    return run


def resumed(recipe: dict[str, Any]) -> dict[str, Any]:
    return dict(compress(load_recipe(recipe, ["method.training.resume=true"])))


def weights(result: dict[str, Any]) -> dict[str, np.ndarray]:
    return load_file(Path(result["output"]) / "model.safetensors")


def assert_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["training"]["evaluations"] == other["training"]["evaluations"]
    assert one["training"]["best_step"] == other["training"]["best_step"]
    assert one["training"]["effective_rate"] == other["training"]["effective_rate"]
    assert one["training"]["module_costs"] == other["training"]["module_costs"]
    assert one["after"] == other["after"]
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize(
    ("where", "number", "last"),
    [
        ("step", 2, None),  # before there is any checkpoint
        ("step", 6, 4),
        ("step", 13, 12),  # in the second epoch
        ("between", 8, 8),  # the replacing phase has 8 steps
        ("step", 9, 8),
        ("step", 23, 20),
        ("evaluation", 20, 16),  # just before the checkpoint of that step
        ("writing", 12, 8),
        ("writing", 16, 12),
        ("publishing", 24, 24),
    ],
)
def test_killed_and_resumed_it_is_bit_for_bit_the_same(
    where: str, number: int, last: int | None, killed: Any, recipe: dict[str, Any], uninterrupted: Any
) -> None:
    recipe["method"]["module_costs"] = number in (8, 9)
    killed(where, number)
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == ([] if last is None else [last])
    assert_the_same(result, uninterrupted(recipe))
    assert not list(Path(recipe["successor"]).parent.glob("*.checkpoints"))
    assert not list(Path(recipe["successor"]).parent.glob(".*partial*"))


def test_killed_twice(killed: Any, recipe: dict[str, Any], uninterrupted: Any) -> None:
    killed("step", 9)
    killed("step", 21, resume=True)
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == [8, 20]
    assert_the_same(result, uninterrupted(recipe))


def test_seconds_of_training_count_those_before_the_interruption(killed: Any, recipe: dict[str, Any]) -> None:
    killed("step", 9)
    newest = Path(f"{recipe['successor']}.checkpoints") / "step-8"
    state, manifest = (json.loads((newest / name).read_text()) for name in ("state.json", "manifest.json"))
    state["outcome"]["phases"][0]["seconds"] = 1000.0  # as if the machine had been slow
    state["outcome"]["evaluation_seconds"] = 200.0
    (newest / "state.json").write_text(json.dumps(state))
    manifest["files"]["state.json"] = sha256(newest / "state.json")
    (newest / "manifest.json").write_text(json.dumps(manifest))
    record = resumed(recipe)["training"]
    assert 1200 < record["seconds"] < 2000
    assert record["seconds"] >= sum(phase["seconds"] for phase in record["phases"]) + record["evaluation_seconds"] - 1


def test_with_accumulation_and_an_epoch_that_ends_in_the_middle_of_a_step(
    killed: Any, recipe: dict[str, Any], uninterrupted: Any
) -> None:
    """12 batches an epoch, 5 a step: the third step takes 2 of the one and 3 of the next."""
    recipe["method"]["training"] = training(gradient_accumulation=5, max_steps=8, checkpoint_steps=1, eval_steps=8)
    killed("step", 3)
    assert_the_same(resumed(recipe), uninterrupted(recipe))


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(
    name: str, status: int, command: Any, recipe: dict[str, Any], uninterrupted: Any
) -> None:
    process = command(name, 10, fresh=name == "SIGTERM")
    assert process.returncode == status
    checkpoints = Path(f"{recipe['successor']}.checkpoints")
    assert process.stderr.splitlines()[-1] == (
        f"error: stopped by {name} after step 11 of 24; the last good checkpoint is that of step 11, in {checkpoints}:"
        " continue with --resume"
    )
    assert "Traceback" not in process.stderr
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == [11]
    assert_the_same(result, uninterrupted(recipe))  # the mean loss up to step 16 included


def test_a_signal_before_the_first_reading_of_the_loss(
    command: Any, recipe: dict[str, Any], uninterrupted: Any
) -> None:
    assert command("SIGTERM", 2).returncode == 143
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == [3]
    assert_the_same(result, uninterrupted(recipe))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: str, killed: Any, recipe: dict[str, Any], uninterrupted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    killed("step", 14)
    newest = Path(f"{recipe['successor']}.checkpoints") / "step-12"
    file = newest / ("manifest.json" if damage == "manifest" else "optimizer-0.safetensors")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1 if damage == "flip" else 0
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content[:-7] if damage in ("cut", "manifest") else content)
    result = resumed(recipe)
    words = capsys.readouterr().err
    assert f"checkpoint {newest} is damaged ({file.name} " in words
    assert result["training"]["resumed_at"] == [8]
    assert_the_same(result, uninterrupted(recipe))


def test_an_interrupted_run_is_not_overwritten_by_accident(killed: Any, recipe: dict[str, Any]) -> None:
    killed("step", 14)
    with pytest.raises(
        UserError, match=r"holds an interrupted run of this output, at step 12: continue it with --resume"
    ):
        compress(recipe)
    assert (Path(f"{recipe['successor']}.checkpoints") / "step-12").is_dir()


def test_a_run_of_another_recipe_is_not_continued(killed: Any, recipe: dict[str, Any]) -> None:
    killed("step", 14)
    recipe["method"]["training"]["learning_rate"] = 0.5
    with pytest.raises(UserError, match=r"is of another recipe \(method.training.learning_rate was 0.001\)"):
        resumed(recipe)
    assert (Path(f"{recipe['successor']}.checkpoints") / "step-12").is_dir()


def test_the_command_resumes(command: Any) -> None:
    assert command("SIGKILL", 14).returncode == -signal.SIGKILL
    process = command("SIGKILL", 999, "--resume", "--json")
    assert process.returncode == 0, process.stderr
    assert "resuming after step 8, from " in process.stderr
    assert json.loads(process.stdout)["training"]["resumed_at"] == [8]


def test_resume_without_a_checkpoint_starts(recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    recipe["method"]["training"] = training()
    result = resumed(recipe)
    assert "no checkpoint to resume from: starting at the first step" in capsys.readouterr().err
    assert result["training"]["resumed_at"] == []
