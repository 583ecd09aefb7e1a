"""How a command ends: what it prints is not taken, or somebody stops it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from tests.clean_process import exit_code
from tests.commands import COMMAND
from theseus_plugin.cli import main
from theseus_plugin.cli.ending import Stopped, told
from theseus_plugin.errors import Interrupted, UserError, reason

PRINTING = (["--help"], ["fit", "--help"], ["--version"], ["plugins"], ["plugins", "--json"])


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_standard_output_that_takes_nothing(arguments: list[str]) -> None:
    command = " ".join([COMMAND, *arguments])
    ended = shell(f"{command} >/dev/full")
    assert ended.returncode == 2
    assert ended.stderr == "error: standard output cannot be written (No space left on device): send it elsewhere\n"
    ended = shell(f"{command} >&-")
    assert ended.returncode == 2
    assert ended.stderr == "error: standard output cannot be written (Bad file descriptor): send it elsewhere\n"
    ended = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}")
    assert (ended.returncode, ended.stderr) in ((141, ""), (0, ""))  # 0: it was quicker than `true`


def test_streams_that_are_closed_do_not_become_files(tmp_path: Path) -> None:
    """Else what a library prints goes into the first file that is opened."""
    code = (
        "import os; from pathlib import Path\n"
        "from theseus_plugin.cli import main\n"
        "from theseus_plugin.plugins import skeleton\n"
        "def write(name, kind, folder):\n"
        "    stream = open(folder, 'w'); os.system('echo noise; echo noise >&2'); stream.write('right'); return []\n"
        "skeleton.write_skeleton = write\n"
        f"main(['new-plugin', 'my-method', '--folder', {str(tmp_path / 'file')!r}])"
    )
    ended = shell(f'{sys.executable} -c "{code}" <&- >&- 2>&-')
    assert ended.returncode == 2
    assert (tmp_path / "file").read_text() == "right"


def test_a_name_that_the_encoding_does_not_hold(tmp_path: Path) -> None:
    ended = subprocess.run(
        [COMMAND, "new-plugin", "my-method", "--folder", str(tmp_path / "größe-文")],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"my-method" in ended.stdout


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (UserError("no"), "no", 2),
        (Interrupted("stopped", 15), "stopped", 143),
        (KeyboardInterrupt(), "stopped by SIGINT", 130),
        (Stopped(signal.SIGTERM), "stopped by SIGTERM", 143),
        (Stopped(signal.SIGHUP), "stopped by SIGHUP", 129),
        (MemoryError(), "out of memory", 2),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 10 bytes"), "out of memory", 2),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply", 2),
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: Permission denied", 2),
        (click.UsageError("No such thing."), "No such thing", 2),
    ],
)
def test_in_one_line(error: BaseException, line: str, status: int) -> None:
    said = told(error)
    assert said is not None
    assert line in said[0]
    assert said[1] == status


def test_a_defect_keeps_its_traceback() -> None:
    assert told(KeyError("x")) is None
    assert told(AssertionError()) is None


@pytest.mark.parametrize("status", [0, None, "2", -1, 256])
def test_a_mistake_never_ends_well(status: Any) -> None:
    error = UserError("no")
    error.status = status
    assert told(error) == ("no", 2)


def stopped(number: int, module: str, name: str, arguments: list[str], folder: Path) -> None:
    """In a process of its own, which gets the signal as soon as it calls a function."""
    os.chdir(folder)
    os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT), 2)

    def wait(*given: Any, **named: Any) -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    setattr(importlib.import_module(module), name, wait)
    main(arguments)


@pytest.mark.parametrize(
    ("number", "command", "module", "name"),
    [
        (signal.SIGTERM, "export", "theseus_plugin.onnx.export", "sha256"),
        (signal.SIGINT, "export", "theseus_plugin.onnx.convert", "_torchscript"),
        (signal.SIGINT, "compress", "theseus_plugin.training.run", "model_card"),
        (signal.SIGHUP, "compress", "theseus_plugin.training.run", "model_card"),
        (signal.SIGTERM, "compress", "theseus_plugin.training.run", "start_accelerator"),
        (signal.SIGTERM, "bench", "theseus_plugin.measure.models", "_sha256"),
    ],
)
def test_stopped_in_the_middle(
    number: signal.Signals, command: str, module: str, name: str, recipe: dict[str, Any], tmp_path: Path
) -> None:
    """While an output is half written, and while data is read: no output is left, and no lock."""
    recipe["method"]["training"] |= {"max_steps": 1}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    arguments = {
        "export": ["export", recipe["predecessor"], "successor", "--task", "recipe.yaml"],
        "compress": ["compress", "recipe.yaml"],
        "bench": ["bench", recipe["predecessor"], "--task", "recipe.yaml", "--evaluator", "size", "--report", "r.html"],
    }[command]
    assert exit_code(stopped, int(number), module, name, arguments, tmp_path) == 128 + number
    said = (tmp_path / "stderr").read_text()
    assert said.splitlines()[-1] == f"error: stopped by {number.name}"
    assert "Traceback" not in said
    assert {name for name in os.listdir(tmp_path) if "checkpoints" not in name} == {"recipe.yaml", "stderr"}


def test_the_launchers_report_holds_our_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what torchrun prints after us, by its own reader of the file that it names to each process."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(SystemExit):
        main(["fit", str(tmp_path / "absent.yaml")])
    report = str(ChildFailedError("run", {0: ProcessFailure(0, 1, 2, str(file))}))
    assert f"error: {tmp_path}/absent.yaml: cannot read it (No such file or directory)" in report


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\n\nsizes do not match\nmore", "sizes do not match"),
        ("You set it to False, thus raising an error. For details look at the above report!", "You set it to False"),
        ("For more information see http://a.b\nthe file is cut", "the file is cut"),
        ("", "ValueError"),
    ],
)
def test_the_line_of_another_library(said: str, shown: str) -> None:
    try:
        try:
            raise ValueError(said)
        except ValueError as inside:
            raise RuntimeError("outside") from inside
    except RuntimeError as error:
        assert reason(error).startswith(shown)
        assert "above report" not in reason(error)
