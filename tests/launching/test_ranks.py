"""How many processes a CPU launch was asked for: as typed, else as its file says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from theseus_plugin.launching.ranks import _asked_for

OURS = ["-m", "theseus_plugin", "fit", "recipe.yaml"]
FILE = "distributed_type: MULTI_CPU\nuse_cpu: true\nnum_processes: 3\nnum_machines: {machines}\n"


@pytest.mark.parametrize(
    "launcher",
    [
        ["/bin/accelerate", "launch"],
        ["/bin/accelerate-launch"],
        ["-m", "accelerate.commands.launch"],
        ["-m", "accelerate.commands.accelerate_cli", "launch"],
    ],
)
def test_as_typed(launcher: list[str]) -> None:
    command = [sys.executable, *launcher, "--cpu"]
    assert _asked_for([*command, "--num_processes", "2", *OURS]) == 2
    assert _asked_for([*command, "--num-processes=4", "--num_machines", "1", *OURS]) == 4
    assert _asked_for([*command, "--num_processes", "2", "--num_machines", "2", *OURS]) is None


@pytest.mark.parametrize(("machines", "expected"), [(1, 3), (2, None)])
def test_as_the_file_says(machines: int, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").write_text(FILE.format(machines=machines))
    command = ["/bin/accelerate", "launch", "--config_file", str(tmp_path / "cpu.yaml")]
    assert _asked_for([*command, *OURS]) == expected
    assert _asked_for([*command, "--num_processes", "2", *OURS]) == 2


def test_another_parent_asks_for_nothing() -> None:
    assert _asked_for(["bash", "-c", "theseus-plugin fit recipe.yaml"]) is None
    assert _asked_for(["kubectl", "launch", "--num_processes", "2"]) is None
