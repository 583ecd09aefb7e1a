import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from tests.measure.scripted import save_onnx
from theseus_plugin.errors import UserError
from theseus_plugin.measure import models as module
from theseus_plugin.measure.models import resolve, split_name


@pytest.mark.parametrize(
    ("name", "runtime", "file"),
    [
        ("bert-onnx", "onnxruntime", "bert-onnx/model.onnx"),
        ("bert-onnx/model.onnx", "onnxruntime", "bert-onnx/model.onnx"),
        ("bert", "torch-eager", "bert/model.safetensors"),
        ("bert@eager", "torch-eager", "bert/model.safetensors"),
        ("bert@compiled", "torch-compiled", "bert/model.safetensors"),
    ],
)
def test_runtimes(models, name, runtime, file):
    model = resolve(str(models / name))
    assert (model.name, model.runtime, model.precision) == (str(models / name), runtime, "fp32")
    assert (model.file, model.files, model.folder) == (models / file, (models / file,), (models / file).parent)
    assert model.sha256 == hashlib.sha256((models / file).read_bytes()).hexdigest()


def test_the_path_in_a_name():
    assert split_name("a/b@compiled") == ("a/b", "torch-compiled")
    assert split_name("a@b/c") == ("a@b/c", None)


def test_what_is_no_model(models, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "alone.onnx").write_text("x")
    both = shutil.copytree(models / "bert", tmp_path / "both")
    shutil.copy(models / "bert-onnx/model.onnx", both)
    broken = save_onnx(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"nonsense")
    save_onnx(tmp_path / "onnx")
    for name, says in {
        "absent": "no such file or folder",
        "absent@compiled": "no such file or folder",
        "empty": "neither model.onnx nor model.safetensors",
        "notes.txt": "is no model",
        "alone.onnx": "no config.json beside",
        "both": "both model.onnx and model.safetensors in this folder: name the file",
        "broken": "cannot be read as ONNX",
        "onnx@eager": "are for checkpoints",
    }.items():
        with pytest.raises(UserError, match=says) as caught:
            resolve(str(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("precision", "options"),
    [
        ("fp32", {}),
        ("fp16", {"dtype": np.float16}),
        ("int8-dynamic", {"operators": ["DynamicQuantizeLinear", "DequantizeLinear"]}),
        ("int8-dynamic", {"operators": ["MatMulInteger"]}),
        ("int8-static", {"operators": ["QuantizeLinear", "DequantizeLinear"]}),
        ("mixed", {"operators": ["QuantizeLinear"], "dtype": np.float16}),
        ("mixed", {"operators": ["MatMulInteger"], "metadata": {"theseus.precision": "mixed"}}),
        ("fp32", {"metadata": {"theseus.precision": "of another exporter"}}),
        ("fp32", {"metadata": {"theseus.precision": "integer"}}),
        ("integer", {"metadata": {"theseus.precision": "integer", "theseus.method": "another"}}),
        ("fp32", {"metadata": {"theseus.precision": "of another", "theseus.method": "another"}}),
    ],
)
def test_precision_is_what_the_file_says_or_what_its_graph_shows(tmp_path, precision, options):
    assert resolve(str(save_onnx(tmp_path / "m", **options))).precision == precision


def test_weights_beside_the_graph_belong_to_it(tmp_path):
    folder = save_onnx(tmp_path / "m", external=True, labels=50)
    graph, data = folder / "model.onnx", folder / "model.onnx.data"
    model = resolve(str(folder))
    assert model.files == (graph, data)
    assert model.sha256 == hashlib.sha256(graph.read_bytes() + data.read_bytes()).hexdigest()
    data.unlink()
    with pytest.raises(UserError, match=r"model\.onnx keeps weights in model\.onnx\.data, which is not beside it"):
        resolve(str(folder))


def test_shards_belong_to_their_index(tmp_path):
    for shard in "ba":
        (tmp_path / f"{shard}.safetensors").write_bytes(shard.encode())
    (tmp_path / "config.json").write_text("{}")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}))
    model = resolve(str(tmp_path))
    assert model.files == (index, tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert model.folder == tmp_path
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(UserError, match=r"keeps weights in a\.safetensors, which is not beside it"):
        resolve(str(tmp_path))


def test_a_file_is_read_again_only_if_it_changed(tmp_path, monkeypatch):
    folder = save_onnx(tmp_path / "m")
    read = []
    plain = module.sha256
    monkeypatch.setattr(module, "sha256", lambda *files: read.append(1) or plain(*files))
    first = resolve(str(folder))
    assert resolve(str(folder)) == first
    assert len(read) == 1
    save_onnx(folder, dtype=np.float16)
    os.utime(folder / "model.onnx", ns=(1, 1))  # a clock too coarse to tell
    assert resolve(str(folder)).precision == "fp16"
    assert resolve(str(folder)).sha256 != first.sha256
