from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder, write_json


def test_complete_or_absent(tmp_path: Path) -> None:
    with complete_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a").write_text("x")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a").read_text() == "x"
    with pytest.raises(ZeroDivisionError), complete_folder(tmp_path / "other") as folder:
        (folder / "a").write_text("x")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["deep"]
    assert os.listdir(tmp_path / "deep") == ["out"]


def test_an_existing_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="out exists already: choose another output"), complete_folder(tmp_path / "out"):
        pass
    assert os.listdir(tmp_path / "out") == []


def test_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})


@pytest.fixture
def full_disk(tmp_path: Path) -> Path:
    """A real file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_while_saving_weights(full_disk: Path) -> None:
    """safetensors writes in Rust: its error is no OSError."""
    with (
        pytest.raises(UserError, match=r"cannot write .*out: No space left on device; nothing was kept"),
        complete_folder(full_disk / "out") as folder,
    ):
        save_file({"a": np.zeros(1_000_000, dtype=np.float32)}, folder / "model.safetensors")
    assert os.listdir(full_disk) == []


def test_a_full_disk_while_writing_text(full_disk: Path) -> None:
    with pytest.raises(UserError, match="No space left"), complete_folder(full_disk / "out") as folder:
        (folder / "a").write_bytes(b"x" * 3_000_000)
    assert os.listdir(full_disk) == []
