"""Large models in two files, what is stamped on a file, dynamic axes, and what happens when nothing can export."""

import hashlib
import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.testing import assert_allclose

from tests.random_models import random_batch, random_model, stock_logits
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import convert as converting
from theseus_plugin.onnx import model_files
from theseus_plugin.onnx.convert import convert
from theseus_plugin.onnx.fusion import fuse


def session(file):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def run(file, batch):
    return session(file).run(["logits"], batch)[0]


def shapes(values):
    return {value.name: value.shape for value in values}


@pytest.fixture(scope="module")
def model():
    return random_model("bert")


@pytest.fixture
def large(monkeypatch):
    """Every model counts as too large for one file."""
    monkeypatch.setattr(converting, "LARGEST", 1000)


def bytes_of_weights(model):
    return sum(p.numel() * 4 for p in model.parameters())


@pytest.mark.parametrize("exporter", converting.EXPORTERS)
def test_a_large_model_has_its_weights_beside_it(exporter, model, large, tmp_path):
    file = tmp_path / "model.onnx"
    convert(model, random_batch(model, 2, 14), file, 18, [exporter])
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}
    data = tmp_path / "model.onnx.data"
    assert data.stat().st_size >= 0.9 * bytes_of_weights(model)
    assert file.stat().st_size < 0.5 * bytes_of_weights(model)
    assert model_files.size(file) == file.stat().st_size + data.stat().st_size
    assert converting.__file__.encode() not in file.read_bytes()  # nor any other path in a stack trace
    batch = random_batch(model, 3, 33)
    assert_allclose(run(file, batch), stock_logits(model, batch), atol=1e-5)
    kept = [t for t in onnx.load(file, load_external_data=False).graph.initializer if t.external_data]
    offsets = [int(entry.value) for t in kept for entry in t.external_data if entry.key == "offset"]
    assert len(offsets) > 10
    assert all(offset % 4096 == 0 for offset in offsets)


def test_fusion_and_renaming_keep_both_files_together(model, large, tmp_path):
    plain, fused = tmp_path / "model.onnx", tmp_path / "fused.onnx"
    convert(model, random_batch(model, 2, 14), plain, 17)
    nodes = fuse(plain, fused, 2, 32)
    assert (nodes["Attention"], nodes["EmbedLayerNormalization"]) == (2, 1)
    assert (tmp_path / "fused.onnx.data").exists()
    weights = (tmp_path / "fused.onnx.data").read_bytes()
    model_files.move(fused, plain)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}
    assert (tmp_path / "model.onnx.data").read_bytes() == weights
    batch = random_batch(model, 5, 60)
    assert_allclose(run(plain, batch), stock_logits(model, batch), atol=1e-5)
    assert "Attention" in {node.op_type for node in onnx.load(plain, load_external_data=False).graph.node}


def test_a_model_of_one_file_leaves_no_old_weights(model, tmp_path):
    convert(model, random_batch(model, 2, 14), tmp_path / "new.onnx", 17)
    (tmp_path / "model.onnx.data").write_text("old")
    model_files.move(tmp_path / "new.onnx", tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    model_files.remove(tmp_path / "model.onnx")
    model_files.remove(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_many_files_become_one_where_they_fit(model, tmp_path):
    (tmp_path / "many").mkdir()
    convert(model, random_batch(model, 2, 14), tmp_path / "model.onnx", 17)
    proto = onnx.load(tmp_path / "model.onnx")
    onnx.save(proto, tmp_path / "many/a.onnx", save_as_external_data=True, all_tensors_to_one_file=False)
    assert len(list((tmp_path / "many").iterdir())) > 10
    model_files.gather(tmp_path / "many/a.onnx", tmp_path / "gathered.onnx", converting.LARGEST)
    batch = random_batch(model, 3, 9)
    assert not model_files.data_file(tmp_path / "gathered.onnx").exists()
    assert (run(tmp_path / "gathered.onnx", batch) == run(tmp_path / "model.onnx", batch)).all()


def test_stamps_are_in_the_metadata_and_leave_the_rest_alone(model, large, tmp_path):
    file = tmp_path / "model.onnx"
    convert(model, random_batch(model, 2, 14), file, 17)
    proto = model_files.load_graph(file)
    proto.metadata_props.add(key="author", value="somebody")
    file.write_bytes(proto.SerializeToString())
    assert model_files.stamped(file) == {}
    weights = hashlib.sha256(model_files.data_file(file).read_bytes()).hexdigest()
    model_files.stamp(file, {"source": "a", "old": "é"})
    model_files.stamp(file, {"source": "b", "precision": "fp32"})
    assert model_files.stamped(file) == {"source": "b", "precision": "fp32"}
    opened = session(file)
    assert opened.get_modelmeta().custom_metadata_map == {
        "author": "somebody",
        "theseus.source": "b",
        "theseus.precision": "fp32",
    }
    batch = random_batch(model, 2, 5)
    assert_allclose(opened.run(["logits"], batch)[0], stock_logits(model, batch), atol=1e-5)
    assert hashlib.sha256(model_files.data_file(file).read_bytes()).hexdigest() == weights
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}


@pytest.mark.parametrize("exporter", converting.EXPORTERS)
def test_traced_on_one_row_it_takes_several(exporter, model, tmp_path):
    convert(model, random_batch(model, 1, 14), tmp_path / "model.onnx", 18, [exporter])
    opened = session(tmp_path / "model.onnx")
    assert set(map(tuple, shapes(opened.get_inputs()).values())) == {("batch", "length")}
    assert shapes(opened.get_outputs()) == {"logits": ["batch", 3]}
    for shape in [(5, 20), (1, 3)]:
        batch = random_batch(model, *shape)
        assert_allclose(opened.run(["logits"], batch)[0], stock_logits(model, batch), atol=1e-5)


def test_images_have_a_dynamic_batch_alone(tmp_path):
    model = random_model("vit", "ImageClassification")
    convert(model, random_batch(model, 1, 1), tmp_path / "model.onnx", 17)
    opened = session(tmp_path / "model.onnx")
    assert shapes(opened.get_inputs()) == {"pixel_values": ["batch", 3, 32, 32]}
    batch = random_batch(model, 4, 1)
    assert_allclose(opened.run(["logits"], batch)[0], stock_logits(model, batch), atol=1e-5)


def test_an_exporter_that_talks_while_it_fails_is_not_heard(model, tmp_path, monkeypatch, capfd):
    """By any way there is to standard output and error; afterwards these are as they were."""

    def talks(*_):
        sys.stdout.write("a dump")
        sys.stderr.write("a dump")
        warnings.warn("a dump", stacklevel=1)
        logging.getLogger("torch.onnx").critical("a dump")
        os.write(1, b"a dump\n")
        os.write(2, b"a dump\n")
        subprocess.run("echo a dump; echo a dump >&2", shell=True, check=True)
        raise RuntimeError("the reason\nand three hundred lines more")

    monkeypatch.setattr(converting, "_torchscript", talks)
    monkeypatch.setattr(converting, "_dynamo", talks)
    capfd.readouterr()
    with pytest.raises(UserError, match=r"\(torchscript: the reason; dynamo: the reason\)"):
        convert(model, random_batch(model, 1, 4), tmp_path / "model.onnx", 17)
    assert capfd.readouterr() == ("", "")
    sys.stdout.write("heard\n")
    os.write(2, b"heard below\n")
    logging.getLogger("torch.onnx").error("heard too")
    said, told = capfd.readouterr()
    assert (said, "heard below" in told) == ("heard\n", True)


def test_what_nothing_can_export_is_one_line(model, tmp_path, capfd):
    batch = {"no_such_input": np.ones((2, 3), dtype=np.int64)}
    with pytest.raises(UserError, match="BertForSequenceClassification cannot be exported to ONNX") as caught:
        convert(model, batch, tmp_path / "model.onnx", 17)
    assert "torchscript: " in str(caught.value)
    assert "dynamo: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
