"""Real launches of two CPU processes: `accelerate launch` and torchrun, what ends them, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.patience import finished
from tests.training.dying import die_at
from theseus_plugin import UserError, cli, compress

LAUNCH = [str(Path(sys.executable).with_name("accelerate")), "launch", "--num_processes", "2", "--cpu"]
CONFIGURATIONS = Path(__file__).parents[2] / "examples" / "accelerate"
TWO_RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def test_the_command_as_users_type_it(recipe: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    launch = [*LAUNCH[:2], "--config_file", str(CONFIGURATIONS / "cpu.yaml")]
    process = finished([*launch, "-m", "theseus_plugin", "compress", str(path), "--json"])
    warm.right(process)
    printed = json.loads(process.stdout)
    assert printed["environment"]["processes"] == 2
    assert printed == json.loads((Path(recipe["successor"]) / "result.json").read_text())


def told(process: warm.Ended) -> list[str]:
    """What our processes said of what ended them; a launcher's report comes after it, and is indented."""
    return [line for line in process.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.chain
def test_a_mistake_is_one_line_from_one_process(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["method"]["sucessor_phase"] = "all"
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    process = finished([*LAUNCH, "-m", "theseus_plugin", "compress", str(path)])
    assert process.returncode != 0
    (line,) = told(process)
    assert "unknown key 'method.sucessor_phase': did you mean 'successor_phase'?" in line


LATE = """
import os, time
from theseus_plugin import cli
cli._PATIENCE = 1000  # a loaded machine may be later than the launcher's processes wait for each other
time.sleep(3 * (os.environ["RANK"] == "0"))
cli.main()
"""


def test_a_mistake_is_told_by_the_first_process_however_late_it_is(tmp_path: Path) -> None:
    """A launcher ends all processes as soon as one has failed."""
    (tmp_path / "worker.py").write_text(LATE)
    command = [*TWO_RANKS, str(tmp_path / "worker.py"), "compress", str(tmp_path / "nowhere.yaml")]
    process = finished(command)
    assert process.returncode != 0
    (line,) = told(process)
    assert "nowhere.yaml: " in line
    assert process.stderr.count(line) == 2, "torchrun's report repeats it"


def command_of_one_that_dies(arguments: list[str], rank: int, step: int, how: str, patience: int = 30) -> None:
    """The command; the process of that rank sends itself a signal. The other leaves the first one `patience` seconds to
    tell what ended it.
    """
    cli._PATIENCE = patience
    if os.environ["RANK"] == str(rank):
        die_at("step", step, signal.Signals[how])
    cli.main(arguments)


@pytest.fixture
def long(recipe: dict[str, Any], tmp_path: Path) -> list[str]:
    """The arguments of a command of 60 steps with a checkpoint every 5."""
    recipe["method"]["training"] |= {"max_steps": 60, "checkpoint_steps": 5, "eval_steps": 60}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    return ["compress", str(tmp_path / "recipe.json")]


@pytest.mark.chain
def test_a_rank_that_dies_ends_the_run_with_a_message(recipe: dict[str, Any], long: list[str], tmp_path: Path) -> None:
    """The launcher ends what is left at the same time."""
    code = f"from {__name__} import command_of_one_that_dies as command\ncommand({long!r}, 0, 12, 'SIGKILL')\n"
    (tmp_path / "worker.py").write_text(f"import sys\nsys.path.insert(0, {os.getcwd()!r})\n{code}")
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    process = finished([*TWO_RANKS, str(tmp_path / "worker.py")], env=environment)
    assert process.returncode != 0
    assert "error: another process of this run died" in process.stderr
    assert "the last good checkpoint is that of step 10, in " in process.stderr
    assert not Path(recipe["successor"]).exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_dies_ends_the_other_without_a_launcher(recipe: dict[str, Any], long: list[str], rank: int) -> None:
    ranks = warm.two_ranks(command_of_one_that_dies, long, rank, 12, "SIGKILL")
    assert ranks[rank].returncode == -signal.SIGKILL
    left = ranks[1 - rank]
    assert left.returncode == 2
    (line,) = told(left)
    assert line.startswith("error: another process of this run died")
    assert "the last good checkpoint is that of step 10, in " in line
    assert not Path(recipe["successor"]).exists()


def test_a_signal_to_one_rank_stops_all_after_the_same_step(recipe: dict[str, Any], long: list[str]) -> None:
    ranks = warm.two_ranks(command_of_one_that_dies, long, 1, 12, "SIGTERM", 0)
    assert [rank.returncode for rank in ranks] == [128 + signal.SIGTERM] * 2
    (line,) = told(ranks[0])
    assert line.startswith("error: stopped by SIGTERM after step 13 of 60")
    assert {path.name for path in Path(f"{recipe['successor']}.checkpoints").iterdir()} == {"step-10", "step-13"}


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed, which this loop does not use: launch with FSDP 2 instead"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP 1, which this loop does not use: set fsdp_version: 2"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"},
            "fsdp_offload_params, which this loop does not do: set it to false",
        ),
    ],
)
def test_other_ways_to_split_a_model_are_refused_in_words(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"launched with {complaint}"):
        compress(recipe)


def test_fsdp_against_a_recipe_that_splits_nothing_is_refused(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    recipe["method"]["training"]["sharding"] = "none"
    with pytest.raises(UserError, match="launched with FSDP, but"):
        compress(recipe)
