import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.random_models import torch_logits
from tests.tiny import save_tiny
from tests.toy_task import Sentences
from theseus_plugin.onnx import fp16
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.export import export
from theseus_plugin.onnx.quantize import (
    affine,
    calibrated,
    input_ranges,
    quantizable,
    quantize_dynamic,
    quantize_static,
)

RANDOM = np.random.default_rng(2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny BERT in fp32."""
    folder = tmp_path_factory.mktemp("quantize")
    save_tiny(folder / "checkpoint", layers=2)
    export(str(folder / "checkpoint"), str(folder / "onnx"), Sentences())
    return folder


def product(folder, weight):
    """A graph of one product with a constant, and its file."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["logits"], name="product")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", weight.shape[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "m.onnx")
    return folder / "m.onnx"


def run(file, x):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def by_hand(x, weight, low, high):
    """What 8 bits make of a product: weights symmetric per column, activations affine from `low` to `high`."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    quantised = np.clip(np.round(x / scale) + zero, 0, 255) - zero
    steps = np.abs(weight).max(0) / 127
    return (quantised @ np.round(weight / steps)) * scale * steps


def test_dynamic_is_the_arithmetic_of_8_bits_per_channel(tmp_path):
    weight = (RANDOM.normal(size=(8, 3)) * [1, 10, 0.1]).astype(np.float32)
    x = RANDOM.normal(size=(5, 8)).astype(np.float32)
    quantize_dynamic(product(tmp_path, weight), tmp_path / "q.onnx", ["product"])
    given = run(tmp_path / "q.onnx", x)
    np.testing.assert_allclose(given, by_hand(x, weight, x.min(), x.max()), rtol=0.01, atol=0.01)
    assert not np.allclose(given, x @ weight, atol=1e-4)


def test_static_takes_the_ranges_of_the_calibration_examples(tmp_path):
    weight = RANDOM.normal(size=(8, 3)).astype(np.float32)
    batches = [{"x": RANDOM.uniform(-2, 1, size=(4, 8)).astype(np.float32)} for _ in range(3)]
    everything = np.concatenate([batch["x"] for batch in batches])
    source = product(tmp_path, weight)
    tensors = calibrated(onnx.load(source).graph, ["product"])
    quantize_static(source, tmp_path / "q.onnx", ["product"], input_ranges(source, tensors, batches))
    x = RANDOM.normal(size=(5, 8)).astype(np.float32) * 4  # goes beyond the range
    np.testing.assert_allclose(
        run(tmp_path / "q.onnx", x), by_hand(x, weight, everything.min(), everything.max()), rtol=0.01, atol=0.01
    )
    assert "DynamicQuantizeLinear" not in {node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node}
    assert sorted(f.name for f in tmp_path.iterdir()) == ["m.onnx", "q.onnx"]


def test_nodes_of_weights_alone_need_no_ranges(exported, tmp_path):
    source = exported / "onnx/model.onnx"
    embedding = [name for name in quantizable(onnx.load(source).graph) if "Embed" in name]
    assert calibrated(onnx.load(source).graph, embedding) == []
    quantize_static(source, tmp_path / "q.onnx", embedding, {})
    kinds = {node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node}
    assert "QEmbedLayerNormalization" in kinds
    assert "QuantizeLinear" not in kinds


def test_ranges_are_those_of_the_tensor_and_hold_zero(tmp_path):
    file = product(tmp_path, np.eye(2, dtype=np.float32))
    batches = [{"x": np.array([[1.0, 2.0]], dtype=np.float32)}, {"x": np.array([[3.0, 2.0]], dtype=np.float32)}]
    assert input_ranges(file, ["x", "logits"], batches) == {"x": (0, 3), "logits": (0, 3)}


@pytest.mark.parametrize(("low", "high", "zero"), [(0, 255, 0), (-255, 0, 255), (-1, 1, 128), (0, 0, 0)])
def test_affine(low, high, zero):
    scale, point = affine(low, high)
    assert point == pytest.approx(zero, abs=1)
    assert scale == np.float32((high - low) / 255 or 1)


def test_what_can_be_quantised(exported):
    graph = onnx.load(exported / "onnx/model.onnx").graph
    by_name = {node.name: node.op_type for node in graph.node}
    counted = [by_name[name] for name in quantizable(graph)]
    assert sorted(counted) == ["Attention", "EmbedLayerNormalization"] + ["MatMul"] * (6 + 3)


@pytest.mark.parametrize("precision", ["int8-dynamic", "int8-static", "fp16"])
def test_an_export_in_fewer_bits_keeps_its_fusions_and_its_answers(exported, tmp_path, precision):
    config = ExportConfig(precision=precision, max_drop=100)
    record = export(str(exported / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    kinds = [node.op_type for node in onnx.load(tmp_path / "onnx/model.onnx").graph.node]
    if precision == "fp16":
        assert kinds.count("Attention") == kinds.count("BiasGelu") == 2
    else:
        assert kinds.count("Gelu") == 2
        assert (
            kinds.count("QAttention")
            == kinds.count("MultiHeadAttention")
            == kinds.count("QEmbedLayerNormalization")
            == 1
        )
        # one per input: of attention, its two kinds for the last one, and three products a block
        assert kinds.count("DynamicQuantizeLinear") == (1 + 2 + 6 if precision == "int8-dynamic" else 0)
    assert record["stages"][-1]["name"] == record["precision"] == precision
    texts = Sentences().texts
    from transformers import AutoTokenizer

    batch = dict(AutoTokenizer.from_pretrained(tmp_path / "onnx")(texts, padding=True, return_tensors="np"))
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx/model.onnx"), providers=["CPUExecutionProvider"])
    given, expected = session.run(None, batch)[0], torch_logits(exported / "checkpoint", texts)
    difference = np.abs(given - expected)
    assert 0 < difference.max() < 0.1 * (expected.max() - expected.min()) + 0.01
    fp32 = (exported / "onnx/model.onnx").stat().st_size
    assert (tmp_path / "onnx/model.onnx").stat().st_size < 0.85 * fp32
    assert {f.name for f in (tmp_path / "onnx").iterdir()} == {f.name for f in (exported / "onnx").iterdir()}


def test_nodes_left_out_stay_in_fp32(exported, tmp_path):
    names = quantizable(onnx.load(exported / "onnx/model.onnx").graph)
    spared = [name for name in names if "ttention" in name][:1] + [name for name in names if "Embed" in name]
    config = ExportConfig(precision="int8-dynamic", max_drop=100, leave_out=tuple(spared))
    record = export(str(exported / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    kept = {node.name for node in onnx.load(tmp_path / "onnx/model.onnx").graph.node}
    assert set(spared) <= kept
    assert kept.isdisjoint(set(names) - set(spared))
    assert record["stages"][-1]["gate"]["left_out"] == sorted(spared, key=names.index)


def test_half_precision_of_some_nodes_only(exported, tmp_path):
    source = exported / "onnx/model.onnx"
    names, floats = fp16.halvable(onnx.load(source).graph), fp16.floats(source)
    attention = [name for name in names if "Attention" in name]
    fp16.to_fp16(source, tmp_path / "some.onnx", attention, floats)
    fp16.to_fp16(source, tmp_path / "all.onnx", names, floats)
    sizes = [file.stat().st_size for file in (tmp_path / "all.onnx", tmp_path / "some.onnx", source)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("precision", ["int8-dynamic", "int8-static"])
def test_positions_of_roberta_survive(tmp_path, precision):
    """The quantizer would drop them from a fused embedding; so its look-ups are quantised one by one."""
    save_tiny(tmp_path / "checkpoint", "roberta", layers=1)
    config = ExportConfig(precision=precision, max_drop=100)
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    assert record["stages"][1]["nodes"]["EmbedLayerNormalization"] == 1
    assert "EmbedLayerNormalization" not in record["nodes"]
    tables = [t for t in onnx.load(tmp_path / "onnx/model.onnx").graph.initializer if "embeddings.weight" in t.name]
    assert [t.data_type for t in tables if len(t.dims) == 2] == [TensorProto.UINT8] * 2
    logits = torch_logits(tmp_path / "checkpoint", Sentences().texts)
    assert record["parity"]["largest_difference"] < 0.05 * (logits.max() - logits.min()) + 0.01
