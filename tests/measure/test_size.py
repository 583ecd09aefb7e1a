import hashlib
import json

import numpy as np
import onnx
import pytest

from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure.graphs import read_graph
from theseus_plugin.measure.size import Size, SizeConfig, safetensors_counts


def test_a_checkpoint(models):
    from transformers import AutoModelForSequenceClassification

    [record] = Size(SizeConfig()).evaluate([str(models / "bert")], Sentences())
    file = models / "bert/model.safetensors"
    stock = AutoModelForSequenceClassification.from_pretrained(models / "bert")
    assert record["bytes"] == len(file.read_bytes())
    assert record["parameters"] == stock.num_parameters() == record["parameters_by_dtype"]["float32"]
    assert record["blocks"] == 2
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_its_export(models):
    from transformers import AutoModelForSequenceClassification

    [record] = Size(SizeConfig()).evaluate([str(models / "bert-onnx")], Sentences())
    stock = AutoModelForSequenceClassification.from_pretrained(models / "bert")
    assert record["bytes"] == (models / "bert-onnx/model.onnx").stat().st_size
    # all weights and no copy of any; fusion adds a few constants at most
    assert stock.num_parameters() <= record["parameters"] <= stock.num_parameters() + 64
    assert record["blocks"] == 2


def test_counts_by_dtype(tmp_path):
    from safetensors.numpy import save_file

    tensors = {
        "a": np.zeros((3, 4), np.float32),
        "b": np.zeros(5, np.float16),
        "c": np.zeros((), np.int64),
        "d": np.zeros((2, 2), np.int8),
    }
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(
        [], "g", [], [logits], [onnx.numpy_helper.from_array(v, k) for k, v in tensors.items()]
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    expected = {"float32": 12, "float16": 5, "int64": 1, "int8": 4}
    assert read_graph(tmp_path / "model.onnx").counts == expected
    assert safetensors_counts(tmp_path / "model.safetensors") == expected
    (tmp_path / "config.json").write_text("{}")
    [record] = Size(SizeConfig()).evaluate([str(tmp_path / "model.onnx")], Sentences())
    assert (record["parameters"], record["blocks"]) == (12 + 5 + 4, None)


def test_weights_in_other_files_are_counted(models, tmp_path):
    onnx.save(
        onnx.load(models / "bert-onnx/model.onnx"),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="model.onnx.data",
    )
    (tmp_path / "config.json").write_text("{}")
    [one, other] = Size(SizeConfig()).evaluate([str(models / "bert-onnx"), str(tmp_path)], Sentences())
    assert other["parameters_by_dtype"] == one["parameters_by_dtype"]
    files = [tmp_path / name for name in ("model.onnx", "model.onnx.data")]
    assert other["bytes"] == sum(len(file.read_bytes()) for file in files)


def test_shards_are_counted_together(models, tmp_path):
    from transformers import AutoModelForSequenceClassification

    stock = AutoModelForSequenceClassification.from_pretrained(models / "bert")
    stock.save_pretrained(tmp_path, max_shard_size="20KB")
    [record] = Size(SizeConfig()).evaluate([str(tmp_path)], Sentences())
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert record["parameters"] == stock.num_parameters()
    assert record["bytes"] == sum(file.stat().st_size for file in tmp_path.glob("model*"))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_files_that_are_something_else(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        safetensors_counts(tmp_path / "x")
    if content and content != b"short":
        with pytest.raises(UserError, match="cannot be read as ONNX"):
            read_graph(tmp_path / "x")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"encoder_layers": 6, "decoder_layers": 3}, (9, {"encoder": 6, "decoder": 3})),  # BART
        ({"is_encoder_decoder": True, "num_layers": 6, "num_decoder_layers": 2}, (8, {"encoder": 6, "decoder": 2})),
        ({"is_encoder_decoder": True, "num_layers": 6}, (12, {"encoder": 6, "decoder": 6})),  # T5, as it may be saved
        ({"num_encoder_layers": 4, "num_decoder_layers": 5}, (9, {"encoder": 4, "decoder": 5})),  # ProphetNet
        (
            {"is_encoder_decoder": True, "encoder": {"num_hidden_layers": 3}, "decoder": {"n_layer": 2}},
            (5, {"encoder": 3, "decoder": 2}),
        ),
        ({"num_hidden_layers": 7}, (7, None)),
        ({"n_layer": 7}, (7, None)),
        ({"model_type": "other"}, (None, None)),
    ],
)
def test_blocks_of_every_stack(tmp_path, config, expected):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    [record] = Size(SizeConfig()).evaluate([str(tmp_path)], Sentences())
    assert (record["blocks"], record.get("blocks_by_stack")) == expected


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_blocks_of_a_stock_encoder_and_decoder(tmp_path, kind):
    from tests.tiny import DEPTHS, save_tiny

    encoder, decoder = DEPTHS[kind]
    save_tiny(tmp_path / "model", kind, **{encoder: 4, decoder: 3})
    [record] = Size(SizeConfig()).evaluate([str(tmp_path / "model")], Sentences())
    assert (record["blocks"], record["blocks_by_stack"]) == (7, {"encoder": 4, "decoder": 3})
