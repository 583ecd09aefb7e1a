import hashlib
import shutil

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.measure.models import resolve


@pytest.mark.parametrize(
    ("name", "kind", "file"),
    [
        ("bert-onnx", "onnx", "bert-onnx/model.onnx"),
        ("bert-onnx/model.onnx", "onnx", "bert-onnx/model.onnx"),
        ("bert", "torch", "bert/model.safetensors"),
    ],
)
def test_kinds(models, name, kind, file):
    model = resolve(str(models / name))
    assert (model.kind, model.file) == (kind, models / file)
    assert model.folder == (models / file).parent
    assert model.sha256 == hashlib.sha256((models / file).read_bytes()).hexdigest()


def test_what_is_no_model(models, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "alone.onnx").write_text("x")
    both = shutil.copytree(models / "bert", tmp_path / "both")
    shutil.copy(models / "bert-onnx/model.onnx", both)
    for name, says in {
        "absent": "no such file or folder",
        "empty": "neither model.onnx nor model.safetensors",
        "notes.txt": "is no model",
        "alone.onnx": "no config.json beside",
        "both": "both model.onnx and model.safetensors in this folder: name the file",
    }.items():
        with pytest.raises(UserError, match=says) as caught:
            resolve(str(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)
