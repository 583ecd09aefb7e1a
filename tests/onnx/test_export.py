import dataclasses
import json
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.random_models import torch_logits
from tests.tiny import save_tiny
from tests.toy_data import sentences
from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import export as exporting
from theseus_plugin.onnx import fusion
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.export import export


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    save_tiny(folder / "checkpoint", request.param, layers=2, num_labels=3)
    record = export(str(folder / "checkpoint"), str(folder / "onnx"), Sentences())
    return request.param, folder, record


def plain_session(folder):
    return onnxruntime.InferenceSession(str(folder / "onnx/model.onnx"), providers=["CPUExecutionProvider"])


def test_logits_equal_those_of_the_stock_model_at_shapes_never_exported(exported):
    from transformers import AutoTokenizer

    _, folder, _ = exported
    texts = ["film", *sentences(9)[4:], "good " * 58]  # up to 60 tokens; the examples end at 42
    tokenizer = AutoTokenizer.from_pretrained(folder / "onnx")
    session = plain_session(folder)
    expected = torch_logits(folder / "checkpoint", texts)
    together = session.run(["logits"], dict(tokenizer(texts, padding=True, return_tensors="np")))[0]
    np.testing.assert_allclose(together, expected, atol=1e-5)
    for text, logits in zip(texts, expected, strict=True):
        alone = session.run(["logits"], dict(tokenizer([text], return_tensors="np")))[0]
        np.testing.assert_allclose(alone[0], logits, atol=1e-5)


def test_left_padding_is_no_different(exported):
    """The optimizer's default turns the mask into a length, which is wrong here."""
    from transformers import AutoTokenizer

    _, folder, _ = exported
    tokenizer = AutoTokenizer.from_pretrained(folder / "onnx", padding_side="left")
    batch = dict(tokenizer(["good film", "a dull movie and a bad one"], padding=True, return_tensors="np"))
    assert batch["attention_mask"][0, 0] == 0
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder / "checkpoint").eval()
    with torch.no_grad():
        expected = model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits.numpy()
    np.testing.assert_allclose(plain_session(folder).run(None, batch)[0], expected, atol=1e-5)


def test_inputs_are_those_the_tokenizer_makes(exported):
    name, folder, record = exported
    expected = {"input_ids", "attention_mask"} | ({"token_type_ids"} if name == "bert" else set())
    session = plain_session(folder)
    assert {i.name for i in session.get_inputs()} == expected == set(record["inputs"])
    assert [o.name for o in session.get_outputs()] == ["logits"]


def test_stages_and_their_nodes(exported):
    """All is fused once per block; then the last block's last part works on one token, and the CPU gets its parts."""
    _, folder, record = exported
    names = ["exported", "fused", "first token", "first query", "arranged for the CPU"]
    assert [stage["name"] for stage in record["stages"]] == names
    assert all(stage["applied"] for stage in record["stages"])
    plain, fused, first, query, last = (stage["nodes"] for stage in record["stages"])
    assert plain["Softmax"] == 2
    assert fused["Attention"] == fused["BiasGelu"] == 2
    assert fused["SkipLayerNormalization"] >= 4
    assert "Softmax" not in fused
    assert first["Slice"] == fused.get("Slice", 0) + 2
    assert (query["Attention"], query["MultiHeadAttention"]) == (1, 1)
    assert last["Gelu"] == 2
    assert last["Sum"] >= first["SkipLayerNormalization"]
    assert {"SkipLayerNormalization", "BiasGelu"}.isdisjoint(last)
    counted = Counter(node.op_type for node in onnx.load(folder / "onnx/model.onnx").graph.node)
    assert last == record["nodes"] == {name: n for name, n in counted.items() if name != "Constant"}


def test_arranged_for_cuda_the_fused_nodes_stay(tmp_path):
    save_tiny(tmp_path / "checkpoint", layers=2)
    config = ExportConfig(device="cuda")
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    assert record["nodes"]["SkipLayerNormalization"] == 4
    assert record["stages"][-1]["name"] == "first token"


def test_metadata_in_the_file(exported):
    _, folder, record = exported
    said = {entry.key: entry.value for entry in onnx.load(folder / "onnx/model.onnx").metadata_props}
    assert said["theseus.source"] == record["source"]["sha256"]
    assert json.loads(said["theseus.recipe"]) == {"task": record["task"]}
    assert said["theseus.precision"] == "fp32"
    assert said["theseus.exporter"] == record["exporter"] == "torchscript"
    assert said["theseus.opset"] == "17"


def test_record_names_source_and_file(exported):
    import hashlib

    _, folder, record = exported

    def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert json.loads((folder / "onnx/export.json").read_text()) == record
    assert record["source"]["sha256"] == sha256(folder / "checkpoint/model.safetensors")
    assert record["file"]["sha256"] == sha256(folder / "onnx/model.onnx")
    assert record["file"]["bytes"] == (folder / "onnx/model.onnx").stat().st_size
    assert record["parity"]["label_agreement"] == 1.0
    assert record["parity"]["examples"] == 37
    lengths = sorted(len(e["input_ids"]) for e in Sentences().load(folder / "onnx").splits["validation"])
    assert record["parity"]["lengths"] == [lengths[0], lengths[-1]]
    assert {p.name for p in (folder / "onnx").iterdir()} >= {"model.onnx", "config.json", "tokenizer.json"}


def perturbed(convert):
    def convert_and_spoil(model, batch, file, opset, exporters):
        written_by = convert(model, batch, file, opset, exporters)
        graph = onnx.load(file)
        weight = next(t for t in graph.graph.initializer if t.name.endswith("classifier.weight"))
        values = onnx.numpy_helper.to_array(weight) + np.float32(0.01)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(graph, file)
        return written_by

    return convert_and_spoil


def test_a_spoiled_weight_fails_the_gate_and_keeps_nothing(tmp_path, monkeypatch):
    save_tiny(tmp_path / "checkpoint", layers=1)
    monkeypatch.setattr(exporting, "convert", perturbed(exporting.convert))
    with pytest.raises(UserError, match=r"differs from its checkpoint by up to .* in the logits .*nothing was kept"):
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_a_graph_for_one_shape_alone_is_told_of_the_model(tmp_path, monkeypatch, capfd):
    """As Longformer's: the user knows no file of ours, nor its nodes."""
    save_tiny(tmp_path / "checkpoint", layers=1)
    real = exporting.convert

    def for_one_shape(model, batch, file, opset, exporters):
        real(model, batch, file, opset, ("torchscript",))
        graph = onnx.load(file)
        for node in graph.graph.node:
            node.output[:] = ["any" if name == "logits" else name for name in node.output]
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([8, 2]), "shape"))
        graph.graph.node.append(onnx.helper.make_node("Reshape", ["any", "shape"], ["logits"], name="fixed"))
        onnx.save(graph, file)
        return exporters[0]

    monkeypatch.setattr(exporting, "convert", for_one_shape)
    capfd.readouterr()
    with pytest.raises(UserError, match=r"^BertForSequenceClassification cannot .* other lengths .*fixed") as it:
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert "partial" not in str(it.value)
    assert capfd.readouterr() == ("", "")
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


def test_a_fusion_that_changes_logits_is_not_kept(tmp_path, monkeypatch):
    save_tiny(tmp_path / "checkpoint", layers=1)
    real = fusion.fuse

    def fuse_wrongly(plain, fused, heads, width, attention):
        nodes = real(plain, fused, heads, width, attention)
        graph = onnx.load(fused)
        for node in graph.graph.node:
            if node.op_type == "Attention":
                heads = next(a for a in node.attribute if a.name == "num_heads")
                heads.i = 4
        onnx.save(graph, fused)
        return nodes

    monkeypatch.setattr(fusion, "fuse", fuse_wrongly)
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    fused = record["stages"][1]
    assert not fused["applied"]
    assert "differs from its checkpoint" in fused["reason"]
    assert record["parity"]["largest_difference"] < 1e-5
    assert "Attention" not in {n.op_type for n in onnx.load(tmp_path / "onnx/model.onnx").graph.node}


def test_an_optimizer_that_breaks_down_leaves_the_plain_graph(tmp_path, monkeypatch):
    save_tiny(tmp_path / "checkpoint", layers=1)

    def fail(*arguments):
        raise KeyError("pattern")

    monkeypatch.setattr(fusion, "fuse", fail)
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert record["stages"][1] == {"name": "fused", "applied": False, "reason": "KeyError: 'pattern'"}


def test_export_is_silent(tmp_path, capfd):
    save_tiny(tmp_path / "checkpoint", layers=1)
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert [str(w.message) for w in caught if w.category is not ResourceWarning] == []
    assert capfd.readouterr() == ("", "")


def test_existing_output_is_refused_before_any_work(tmp_path):
    (tmp_path / "onnx").mkdir()
    with pytest.raises(UserError, match="exists already"):
        export(str(tmp_path / "absent"), str(tmp_path / "onnx"), Sentences())


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_no_checkpoint_folder(tmp_path, missing):
    save_tiny(tmp_path / "checkpoint", layers=1)
    Path(tmp_path, "checkpoint", missing).unlink()
    with pytest.raises(UserError, match=f"has no {missing}"):
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize("precision", ["fp32", "int8-dynamic", "int8-static", "fp16"])
def test_weights_beside_the_graph_go_through_every_stage(tmp_path, monkeypatch, precision):
    """As above 2 GiB, with the limit brought down."""
    from theseus_plugin.onnx import convert as converting

    monkeypatch.setattr(converting, "LARGEST", 1000)
    save_tiny(tmp_path / "checkpoint", layers=2)
    config = ExportConfig(precision=precision, max_drop=100)
    record = export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences(), config)
    files = {file.name: file for file in (tmp_path / "onnx").iterdir()}
    assert not {name for name in files if "onnx" in name} - {"model.onnx", "model.onnx.data"}
    assert record["stages"][1]["applied"]
    assert record["file"]["bytes"] == sum(file.stat().st_size for name, file in files.items() if "onnx" in name)
    (tmp_path / "onnx").rename(tmp_path / "moved")
    texts = ["good film", "a dull movie and a bad one"]
    from transformers import AutoTokenizer

    batch = dict(AutoTokenizer.from_pretrained(tmp_path / "moved")(texts, padding=True, return_tensors="np"))
    session = onnxruntime.InferenceSession(str(tmp_path / "moved/model.onnx"), providers=["CPUExecutionProvider"])
    expected = torch_logits(tmp_path / "checkpoint", texts)
    np.testing.assert_allclose(session.run(None, batch)[0], expected, atol=1e-5 if precision == "fp32" else 0.05)


def test_a_tolerance_no_export_can_keep_is_told(tmp_path):
    save_tiny(tmp_path / "checkpoint", layers=1)
    with pytest.raises(UserError, match="differs from its checkpoint"):
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences(), ExportConfig(tolerance=1e-12))
    assert not (tmp_path / "onnx").exists()


def test_the_last_batch_is_as_long_as_the_task_allows(tmp_path, monkeypatch):
    """Lengths that no example has are checked too."""
    from theseus_plugin.onnx import parity

    class Longer(Sentences):
        def load(self, *arguments, **options):
            return dataclasses.replace(super().load(*arguments, **options), max_length=64)

    save_tiny(tmp_path / "checkpoint", layers=1)
    seen = []
    original = parity.compare

    def noting(run, against):
        seen.append([batch["input_ids"].shape for batch in against.batches])
        return original(run, against)

    monkeypatch.setattr(parity, "compare", noting)
    export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Longer())
    assert seen
    assert all(shapes[-1] == (1, 64) for shapes in seen)


def test_the_command_sets_tolerance_and_examples(tmp_path, predecessor, reviews, capsys):
    from theseus_plugin.cli import main

    (tmp_path / "recipe.yaml").write_text(json.dumps({"task": reviews}))
    options = ["--task", str(tmp_path / "recipe.yaml"), "--tolerance", "0.01", "--examples", "5", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["export", str(predecessor), str(tmp_path / "onnx"), *options])
    assert not ended.value.code
    parity = json.loads(capsys.readouterr().out)["parity"]
    assert (parity["tolerance"], parity["allowed"], parity["examples"]) == (0.01, 0.01, 5)
