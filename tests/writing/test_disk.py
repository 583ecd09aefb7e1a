"""What libraries raise when a file cannot get longer, each asked for real."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clean_process import exit_code
from theseus_plugin.errors import UserError
from theseus_plugin.writing.disk import disk_trouble

KILOBYTES = 300


def torch_weights(file: Path) -> None:
    import torch

    torch.save({"a": torch.zeros(KILOBYTES * 256)}, file)


def safetensors_weights(file: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(KILOBYTES * 256)}, file)


def tokenizer(file: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    Tokenizer(WordLevel({f"word-{number}": number for number in range(KILOBYTES * 60)}, "word-0")).save(str(file))


def tokenizer_vocabulary(file: Path) -> None:
    from tokenizers.models import WordLevel

    file.mkdir()
    WordLevel({f"word-{number}": number for number in range(KILOBYTES * 60)}, "word-0").save(str(file))


def arrow_table(file: Path) -> None:
    import pyarrow

    batch = pyarrow.RecordBatch.from_pydict({"a": list(range(KILOBYTES * 128))})
    with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)


def parquet_table(file: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": list(range(KILOBYTES * 128))}), file)


def onnx_graph(file: Path) -> None:
    import onnx
    import onnx.helper

    onnx.save(_graph(), file)


def onnx_graph_of_onnx_runtime(file: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(file)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(_graph().SerializeToString(), options, providers=["CPUExecutionProvider"])


def json_text(file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        json.dump(list(range(KILOBYTES * 200)), stream)


def pandas_table(file: Path) -> None:
    import pandas

    pandas.DataFrame({"a": range(KILOBYTES * 200)}).to_csv(file)


def image(file: Path) -> None:
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 256, (KILOBYTES * 2, 512), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")


def _graph() -> object:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    values = {"a": np.zeros(KILOBYTES * 256, dtype=np.float32)}
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [KILOBYTES * 256]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "a"], ["y"])], "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def refused(write: Callable[[Path], None], folder: Path, size: int) -> None:
    """In a process of its own, whose files may have `size` bytes."""
    write(folder / "whole")  # imports, and whatever else is written on the way
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        write(folder / "cut")
    except Exception as error:
        if disk_trouble(error) is None:
            (folder / "said").write_text(repr(error)[:300])
            os._exit(3)
        os._exit(0)
    os._exit(4)


WRITERS = [
    torch_weights,
    safetensors_weights,
    tokenizer,
    tokenizer_vocabulary,
    arrow_table,
    parquet_table,
    onnx_graph,
    onnx_graph_of_onnx_runtime,
    json_text,
    pandas_table,
    image,
]


@pytest.mark.parametrize("size", [0, 10_000, 200_000])
@pytest.mark.parametrize("write", WRITERS)
def test_libraries_say_it_in_their_ways(write: Callable[[Path], None], size: int, tmp_path: Path) -> None:
    status = exit_code(refused, write, tmp_path, size)
    assert status == 0, (tmp_path / "said").read_text() if status == 3 else status


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is soon full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)  # what failed may not have closed its file yet


@pytest.mark.parametrize("write", WRITERS)
def test_they_say_it_of_a_disk_that_is_full(write: Callable[[Path], None], small_disk: Path) -> None:
    with pytest.raises(Exception) as caught:
        write(small_disk / "cut")
    assert disk_trouble(caught.value) is not None, repr(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO])
def test_in_the_words_of_the_system(number: int) -> None:
    words = os.strerror(number)
    assert disk_trouble(OSError(number, "what a library makes of it")) == words
    assert disk_trouble(Exception(f"cannot save ({words.lower()}, os error {number})")) == words
    try:
        try:
            raise OSError(number, "inside")
        except OSError as inside:
            raise RuntimeError("generating went wrong") from inside
    except RuntimeError as error:
        assert disk_trouble(error) == words


@pytest.mark.parametrize(
    "error",
    [
        ValueError("label 28 is unknown"),
        RuntimeError("the size of tensor a (28) must match"),
        OSError(errno.ENOENT, "no such file"),
        UserError("train.csv: Permission denied"),
        KeyError("os error"),
    ],
)
def test_other_failures_are_none_of_the_disk(error: Exception) -> None:
    assert disk_trouble(error) is None


def test_what_the_user_was_told_already_stays(tmp_path: Path) -> None:
    try:
        try:
            raise PermissionError(errno.EACCES, "no")
        except PermissionError as inside:
            raise UserError("train.csv cannot be read") from inside
    except UserError as error:
        assert disk_trouble(error) is None
