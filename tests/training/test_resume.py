"""Killed at any moment and taken up again, a run ends with the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from theseus_plugin import UserError, compress, load_recipe

WORKER = """
import os, signal, sys
from theseus_plugin import cli
from theseus_plugin.training import checkpoints, loop, state

where, number = os.environ["TEST_DIE"].split(":")

def die(present):
    if present == int(number):
        os.kill(os.getpid(), getattr(signal, os.environ["TEST_SIGNAL"]))

if where == "step":
    step = loop._Run._step
    def spy(self, phase):
        die(self.position.step)
        step(self, phase)
    loop._Run._step = spy
elif where == "evaluation":
    evaluated = loop._Run._evaluate
    def spy(self, phase):
        evaluated(self, phase)
        die(self.position.step)
    loop._Run._evaluate = spy
elif where == "writing":
    write = state.save_file
    def spy(tensors, path):
        write(tensors, path)
        die(int(path.parent.name.strip(".").split(".")[0].removeprefix("step-")))
    state.save_file = spy
elif where == "between":
    finish = loop._Run._read_clock
    def spy(self):
        finish(self)
        if sys._getframe(1).f_code.co_name == "train":
            die(self.position.step)
    loop._Run._read_clock = spy
elif where == "publishing":
    from theseus_plugin.training import run
    card = run.model_card
    def spy(*arguments):
        die(int(number))
        return card(*arguments)
    run.model_card = spy
cli.main()
"""


def training(**more: Any) -> dict[str, Any]:
    """24 steps with dropout, accumulation of nothing, an evaluation every 5, a checkpoint every 4."""
    return {"epochs": 2, "batch_size": 8, "eval_steps": 5, "checkpoint_steps": 4, "learning_rate": 1e-3,
            "precision": "fp32", "seed": 3, **more}  # fmt: skip


@pytest.fixture
def killed(recipe: dict[str, Any], tmp_path: Path) -> Any:
    """Runs the command until it kills itself; gives the process."""

    def run(where: str, name: str = "SIGKILL", *more: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "recipe.json"
        file.write_text(json.dumps(recipe))
        return subprocess.run(
            [sys.executable, "-c", WORKER, "compress", str(file), *more],
            env=os.environ | {"TEST_DIE": where, "TEST_SIGNAL": name},
            capture_output=True,
            text=True,
            check=False,
        )

    recipe["method"]["training"] = training()
    return run


def uninterrupted(recipe: dict[str, Any]) -> dict[str, Any]:
    return dict(compress(load_recipe(recipe, [f"successor={recipe['successor']}-whole"])))


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
    ("where", "last"),
    [
        ("step:2", None),  # before there is any checkpoint
        ("step:6", 4),
        ("step:13", 12),  # in the second epoch
        ("between:16", 16),  # the replacing phase has 16 steps
        ("step:17", 16),
        ("step:23", 20),
        ("evaluation:20", 16),  # just before the checkpoint of that step
        ("writing:12", 8),
        ("writing:16", 12),
        ("publishing:0", 24),
    ],
)
def test_killed_and_resumed_it_is_bit_for_bit_the_same(
    where: str, last: int | None, killed: Any, recipe: dict[str, Any]
) -> None:
    recipe["method"]["module_costs"] = where.startswith(("between", "step:17"))
    process = killed(where)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not Path(recipe["successor"]).exists()
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == ([] if last is None else [last])
    assert_the_same(result, uninterrupted(recipe))
    assert not list(Path(recipe["successor"]).parent.glob("*.checkpoints"))
    assert not list(Path(recipe["successor"]).parent.glob(".*partial*"))


def test_killed_twice(killed: Any, recipe: dict[str, Any]) -> None:
    assert killed("step:9").returncode == -signal.SIGKILL
    assert killed("step:21", "SIGKILL", "--resume").returncode == -signal.SIGKILL
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == [8, 20]
    assert_the_same(result, uninterrupted(recipe))


def test_with_accumulation_and_an_epoch_that_ends_in_the_middle_of_a_step(killed: Any, recipe: dict[str, Any]) -> None:
    """12 batches an epoch, 5 a step: the third step takes 2 of the one and 3 of the next."""
    recipe["method"]["training"] = training(gradient_accumulation=5, max_steps=8, checkpoint_steps=1, eval_steps=8)
    assert killed("step:3").returncode == -signal.SIGKILL
    assert_the_same(resumed(recipe), uninterrupted(recipe))


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(
    name: str, status: int, killed: Any, recipe: dict[str, Any]
) -> None:
    process = killed("step:10", name)
    assert process.returncode == status
    checkpoints = Path(f"{recipe['successor']}.checkpoints")
    assert process.stderr.splitlines()[-1] == (
        f"error: stopped by {name} after step 11 of 24; the last good checkpoint is that of step 11, in {checkpoints}:"
        " continue with --resume"
    )
    assert "Traceback" not in process.stderr
    result = resumed(recipe)
    assert result["training"]["resumed_at"] == [11]
    assert_the_same(result, uninterrupted(recipe))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: str, killed: Any, recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    killed("step:14")
    newest = Path(f"{recipe['successor']}.checkpoints") / "step-12"
    file = newest / ("manifest.json" if damage == "manifest" else "optimizer.bin")
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
    killed("step:14")
    with pytest.raises(UserError, match=r"holds an interrupted run of this output, at step 12: continue it with --resume"):
        compress(recipe)
    assert (Path(f"{recipe['successor']}.checkpoints") / "step-12").is_dir()


def test_a_run_of_another_recipe_is_not_continued(killed: Any, recipe: dict[str, Any]) -> None:
    killed("step:14")
    recipe["method"]["training"]["learning_rate"] = 0.5
    with pytest.raises(UserError, match=r"is of another recipe \(method.training.learning_rate was 0.001\)"):
        resumed(recipe)
    assert (Path(f"{recipe['successor']}.checkpoints") / "step-12").is_dir()


def test_the_command_resumes(killed: Any, recipe: dict[str, Any], tmp_path: Path) -> None:
    killed("step:14")
    process = killed("step:999", "SIGKILL", "--resume", "--json")
    assert process.returncode == 0, process.stderr
    assert "resuming after step 12, from " in process.stderr
    assert json.loads(process.stdout)["training"]["resumed_at"] == [12]


def test_resume_without_a_checkpoint_starts(recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    recipe["method"]["training"] = training()
    result = resumed(recipe)
    assert "no checkpoint to resume from: starting at the first step" in capsys.readouterr().err
    assert result["training"]["resumed_at"] == []
