"""Every node can stay in fp32, and rewriting a model with its weights beside it does not make it grow."""

from functools import partial

import numpy as np
import pytest

from tests.random_models import head_of, random_batch, random_model, stock_logits
from tests.tiny import save_tiny
from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.metric_scale import Scale
from theseus_plugin.onnx import convert as converting
from theseus_plugin.onnx import fp16, model_files, quantize
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.export import export
from theseus_plugin.onnx.fusion import fuse
from theseus_plugin.onnx.gate import Gate
from theseus_plugin.onnx.session import Session
from theseus_plugin.onnx.stages import name_nodes, rewrite


def fused(name, folder):
    """A random model, and its fused graph with a name for every node."""
    model = random_model(name, head_of(name))
    converting.convert(model, random_batch(model, 2, 14), folder / "plain.onnx", 17)
    heads, width = getattr(model.config, "num_attention_heads", 0), getattr(model.config, "hidden_size", 0)
    fuse(folder / "plain.onnx", folder / "model.onnx", heads, width)
    rewrite(name_nodes)(folder / "model.onnx", folder / "model.onnx")
    return model, folder / "model.onnx"


@pytest.mark.parametrize(("name", "step"), [("bert", 1), ("roberta", 3), ("gpt2", 11), ("t5", 29)])
def test_any_node_may_stay_in_fp32(tmp_path, name, step):
    model, source = fused(name, tmp_path)
    nodes, floats = fp16.halvable(model_files.load_graph(source).graph), fp16.floats(source)
    batch = random_batch(model, 2, 14)
    expected = stock_logits(model, batch)
    for at in range(0, len(nodes), step):
        for chosen in (nodes[:at] + nodes[at + 1 :], [nodes[at]], nodes[at:]):
            fp16.to_fp16(source, tmp_path / "half.onnx", chosen, floats)
            given = Session(tmp_path / "half.onnx", 1).run(batch)
            assert given.dtype == np.float32
            np.testing.assert_allclose(given, expected, atol=0.02, err_msg=f"{at}: {nodes[at]}")
    fp16.to_fp16(source, tmp_path / "half.onnx", [], floats)
    kept = Session(tmp_path / "half.onnx", 1).run(batch)
    fp16.to_fp16(source, tmp_path / "half.onnx", nodes, floats)
    assert abs(kept - expected).max() < abs(Session(tmp_path / "half.onnx", 1).run(batch) - expected).max()


def test_a_node_is_left_out_by_the_export(tmp_path):
    save_tiny(tmp_path / "checkpoint", layers=1)
    config = ExportConfig(precision="fp16", max_drop=100)
    whole = export(str(tmp_path / "checkpoint"), str(tmp_path / "whole"), Sentences(), config)
    nodes = fp16.halvable(model_files.load_graph(tmp_path / "whole/model.onnx").graph)
    config = ExportConfig(precision="fp16", max_drop=100, leave_out=(nodes[0], nodes[-1]))
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    assert record["stages"][-1]["gate"]["left_out"] == [nodes[0], nodes[-1]]
    assert whole["stages"][-1]["gate"]["left_out"] == []


@pytest.mark.parametrize("precision", ["fp16", "int8-dynamic"])
def test_weights_beside_the_graph_do_not_grow_with_every_try(tmp_path, monkeypatch, precision):
    monkeypatch.setattr(converting, "LARGEST", 1000)
    _, source = fused("bert", tmp_path)
    assert model_files.data_file(source).exists()
    graph = model_files.load_graph(source).graph
    nodes, lower = quantize.quantizable(graph), quantize.quantize_dynamic
    if precision == "fp16":
        nodes, lower = fp16.halvable(graph), partial(fp16.to_fp16, floats=fp16.floats(source))
    sizes = []

    def score(file):
        sizes.append(model_files.size(file))
        return 1.0 if file == source else 0.0

    def logits(file):
        sizes.append(model_files.size(file))
        return np.zeros(1)

    gate = Gate(precision, lower, score, logits, 0.5, Scale("accuracy", lower_is_better=False))
    with pytest.raises(UserError, match=r"costs 100\.00 points"):
        gate.apply(source, tmp_path / "target.onnx", nodes)
    assert len(sizes) > len(nodes)
    assert max(sizes) <= 1.1 * sizes[0]
    assert {file.name for file in tmp_path.iterdir() if "target" in file.name} == set()
