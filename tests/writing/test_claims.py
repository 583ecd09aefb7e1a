"""Two processes that want one output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import pytest

from tests.clean_process import exit_code
from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder
from theseus_plugin.writing.claims import claimed

HOLD = (
    "import sys; from theseus_plugin.writing.claims import claimed\n"
    "with claimed(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
)


def holder(output: Path) -> subprocess.Popen[str]:
    """A process that holds `output` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_is_first(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    with holder(output) as process:
        told = rf"out is being written by process {process.pid} on .*: wait for it"
        with pytest.raises(UserError, match=told), claimed(output):
            pass
        with pytest.raises(UserError, match=f"process {process.pid}"), complete_folder(output):
            pass
        with claimed(tmp_path / "deep" / "another"):
            pass
        process.communicate()
    assert os.listdir(tmp_path) == []
    with complete_folder(output) as folder:
        (folder / "a").write_text("x")
    assert os.listdir(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize("name", ["link", "deep/../deep/out", "deep//out/"])
def test_another_name_of_the_same_output(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to("deep")
    with holder(tmp_path / "deep" / "out") as process:
        with (
            pytest.raises(UserError, match=f"process {process.pid}"),
            claimed(f"{tmp_path}/{'link/out' if name == 'link' else name}"),
        ):
            pass
        process.communicate()


def test_one_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path / "out") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert os.listdir(tmp_path) == [".out.lock"]
    with claimed(tmp_path / "out"):
        assert f"process {os.getpid()} on " in (tmp_path / ".out.lock").read_text()
    assert os.listdir(tmp_path) == []


def outlive(output: Path, here: Connection) -> None:
    """Holds the output, is forked, and dies before its child, which keeps all of its open files."""
    with claimed(output):
        if os.fork() == 0:
            here.recv()
            os._exit(0)
        os._exit(0)


def test_a_child_that_outlives_it_holds_nothing(tmp_path: Path) -> None:
    here, there = Pipe()
    assert exit_code(outlive, tmp_path / "out", there) == 0
    with claimed(tmp_path / "out"):
        pass
    here.send("end")


def test_a_process_may_claim_twice_and_several_at_once(tmp_path: Path) -> None:
    with claimed(tmp_path / "a", tmp_path / "b"):
        with claimed(tmp_path / "a"):
            pass
        assert sorted(os.listdir(tmp_path)) == [".a.lock", ".b.lock"]
    assert os.listdir(tmp_path) == []


def test_other_ranks_of_a_run_share_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with holder(tmp_path / "out") as process:
        monkeypatch.setenv("RANK", "1")
        with claimed(tmp_path / "out"):
            pass
        process.communicate()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lockf(descriptor: int, flags: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", lockf)
    with complete_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("x")
    assert os.listdir(tmp_path) == ["out"]


def test_one_that_was_not_kept_out_is_told_at_the_end(tmp_path: Path) -> None:
    """As by a copy, or by a process of another machine on a file system without locks."""
    output = tmp_path / "out"
    with pytest.raises(UserError, match="out was made by another process meanwhile"), complete_folder(output) as folder:
        (folder / "a").write_text("x")
        output.mkdir()
        (output / "b").write_text("y")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(output) == ["b"]


def test_many_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from theseus_plugin.files import complete_folder\n"
        "from theseus_plugin.errors import UserError\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    with complete_folder(sys.argv[1]) as folder:\n"
        "        for number in range(50): (folder / str(number)).write_text(sys.argv[2])\n"
        "except UserError as error: sys.exit(f'error: {error}')"
    )
    output = tmp_path / "new" / "out"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(output), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    said: list[str] = []
    threads = [Thread(target=lambda one=one: said.append(one.communicate("go\n")[1])) for one in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(process.returncode for process in processes) == [0, 1, 1, 1]
    assert all(line == "" or line.startswith("error: ") for line in said)
    assert os.listdir(tmp_path / "new") == ["out"]
    assert len({file.read_text() for file in output.iterdir()}) == 1
    assert len(list(output.iterdir())) == 50
