"""Logits that are NaN or infinite fail wherever logits are read, with the model, how many and the first named."""

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from tests.measure.scripted import Examples, save_onnx
from tests.tiny import save_tiny
from tests.toy_data import sentences
from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.finite import NotFinite, finite_rows, require_finite
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.measure.memory import Memory, MemoryConfig
from theseus_plugin.measure.models import resolve
from theseus_plugin.measure.worker import Worker
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.onnx.export import export
from theseus_plugin.predict import predict


def spoilt(folder, value=np.nan):
    """The same model with one weight that is no number."""
    model = onnx.load(folder / "model.onnx")
    weight = next(one for one in model.graph.initializer if one.name == "weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0, -1] = value
    weight.CopyFrom(onnx.numpy_helper.from_array(values, "weight"))
    onnx.save(model, folder / "model.onnx")
    return folder


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_of_classes(value):
    logits = np.array([[0.0, 1.0], [value, 0.0], [2.0, 3.0]], dtype=np.float32)
    assert finite_rows(logits, {}).tolist() == [True, False, True]
    assert finite_rows(logits[:, :1], {}).tolist() == [True, False, True]
    assert finite_rows(logits[:, 0], {}).tolist() == [True, False, True]


def test_rows_of_tokens_but_for_padding():
    logits = np.zeros((3, 2, 5), dtype=np.float16)
    logits[0, 1, 2] = logits[1, 0, 4] = np.nan
    logits[2] = 60000  # finite, though their sum in fp16 is not
    mask = np.array([[1, 0], [1, 1], [1, 1]])
    assert finite_rows(logits, {"attention_mask": mask}).tolist() == [True, False, True]
    assert finite_rows(logits, {}).tolist() == [False, False, True]


def test_a_class_that_is_minus_infinity_throughout_is_ruled_out():
    logits = np.array([[0.0, -np.inf, 1.0], [2.0, -np.inf, 3.0]], dtype=np.float32)
    assert finite_rows(logits, {}).tolist() == [True, True]
    logits[1, 0] = np.nan
    assert finite_rows(logits, {}).tolist() == [True, False]
    assert finite_rows(np.full((2, 3), -np.inf), {}).tolist() == [False, False]
    tokens = np.zeros((2, 2, 3))
    tokens[..., 2] = -np.inf
    tokens[0, 1] = np.nan
    assert finite_rows(tokens, {"attention_mask": np.array([[1, 0], [1, 1]])}).tolist() == [True, True]
    assert finite_rows(tokens, {}).tolist() == [False, False]
    tokens[1, 1, 2] = 0.0
    assert finite_rows(tokens, {"attention_mask": np.array([[1, 0], [1, 1]])}).tolist() == [False, False]


def test_the_message_names_model_count_and_first():
    finite = np.array([True, False, True, False])
    with pytest.raises(
        NotFinite, match=r"^m: its logits are not finite .* for 2 of 4 examples, the first is example 2:"
    ):
        require_finite("m", finite)
    with pytest.raises(NotFinite, match="the first is example 7:"):
        require_finite("m", finite, [1, 9, 3, 7])
    require_finite("m", finite[:1])


def test_examples_are_numbered_as_in_the_data():
    """Batches go by length, the longest first."""
    examples = [{"input_ids": [at] * (3 - at), "labels": 0} for at in range(3)]

    def collate(batch):
        return {"first": np.array([one["input_ids"][0] for one in batch]), "labels": np.zeros(len(batch))}

    def answer(batch, labels):
        logits = np.where(batch["first"] == 1, np.nan, 0.5)[:, None]
        return finite_rows(logits, batch), logits, labels

    with pytest.raises(NotFinite, match="for 1 of 3 examples, the first is example 2:"):
        predict("m", answer, examples, collate, 1)
    with pytest.raises(NotFinite, match="the first is example 102:"):
        predict("m", answer, examples, collate, 1, 101)


def test_accuracy_of_nan_is_no_score(tmp_path):
    folder = spoilt(save_onnx(tmp_path / "broken"))
    with pytest.raises(
        UserError, match=r"broken: its logits are not finite .* 9 of 9 examples, the first is example 1:"
    ):
        Accuracy(AccuracyConfig()).evaluate([str(folder)], Examples())


def test_memory_of_what_computes_nothing_is_not_measured(tmp_path):
    folder = spoilt(save_onnx(tmp_path / "broken"), np.inf)
    with pytest.raises(UserError, match=r"broken.model\.onnx: its logits are not finite"):
        Memory(MemoryConfig(shape="2x4")).evaluate([str(folder)], Examples())


def test_nor_is_its_latency(tmp_path):
    """Told by the first call, before the rounds."""
    file = resolve(str(spoilt(save_onnx(tmp_path / "broken")))).file
    worker = Worker()
    place = {"threads": 1, "device": "cpu", "spinning": False}
    worker.answer("prepare", {"runtime": "onnxruntime", "file": str(file), "auto_class": "", **place})
    worker.answer("open", {})
    batch = {"input_ids": np.ones((1, 4), np.int64), "attention_mask": np.ones((1, 4), np.int64)}
    worker.answer("bind", {"batches": [batch]})
    with pytest.raises(NotFinite, match="not finite"):
        worker.answer("once", {})


def test_an_attack_on_what_gives_no_numbers(tmp_path):
    from theseus_plugin.bert_attack.target import Target, load_texts
    from theseus_plugin.measure.child import opened

    folder = save_tiny(tmp_path / "broken", layers=1)
    save_onnx(folder)
    (folder / "model.safetensors").unlink()
    model, task = resolve(str(spoilt(folder))), Sentences()
    with opened(model, task.auto_class, AccuracyConfig()) as child:
        target = Target(model, child, load_texts(model, task), 2)
        with pytest.raises(NotFinite, match=r"broken: its logits are not finite .* 3 of 3 examples"):
            target.logits([("good film",), ("dull",), ("a movie",)])


def test_a_metric_that_is_no_number_is_no_score(tmp_path):
    class Odd(Examples):
        def load(self, *arguments, **options):
            data = super().load(*arguments, **options)
            object.__setattr__(data, "score", lambda logits, labels: {"accuracy": float("nan")})
            return data

    with pytest.raises(UserError, match="its score gives accuracy as nan, no finite number"):
        Accuracy(AccuracyConfig()).evaluate([str(save_onnx(tmp_path / "m"))], Odd())


def weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def test_a_checkpoint_with_nan_is_named_not_the_tolerance(tmp_path):
    save_tiny(tmp_path / "checkpoint", layers=1)
    weights(tmp_path / "checkpoint", lambda tensors: tensors["classifier.bias"].fill(np.nan))
    with pytest.raises(UserError, match=r"checkpoint: its logits are not finite .* 37 of 37 examples") as caught:
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert "tolerance" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


def test_one_word_with_nan_is_traced_to_its_first_example(tmp_path):
    from tests.tiny import vocabulary

    save_tiny(tmp_path / "checkpoint", layers=1)
    name = "bert.embeddings.word_embeddings.weight"
    weights(tmp_path / "checkpoint", lambda tensors: tensors[name][vocabulary().index("dull")].fill(np.inf))
    holding = [number for number, text in enumerate(sentences(), start=1) if "dull" in text.split()]
    with pytest.raises(UserError) as caught:
        export(str(tmp_path / "checkpoint"), str(tmp_path / "onnx"), Sentences())
    assert f"for {len(holding)} of 37 examples, the first is example {holding[0]}:" in str(caught.value)


class Numbers(Sentences):
    """The same as a regression, scored by a correlation."""

    def __init__(self):
        super().__init__(labels=[float(at) for at in range(37)])

    def load(self, *arguments, **options):
        from theseus_plugin.tasks.metrics import scorer

        data = super().load(*arguments, **options)
        for name, value in {"score": scorer(["pearson"]), "metric": "pearson", "head": {"num_labels": 1}}.items():
            object.__setattr__(data, name, value)
        return data


def regression(folder, factor):
    save_tiny(folder, layers=1, num_labels=1)

    def scale(tensors):
        tensors["classifier.weight"] *= factor
        tensors["classifier.bias"] *= factor

    weights(folder, scale)
    return str(folder)


@pytest.mark.parametrize("spoil", ["classifier.weight", "bert.encoder.layer.0.output.LayerNorm.weight"])
def test_what_fp16_does_not_hold_stays_in_fp32(tmp_path, spoil):
    """On a CPU it would not show: there ONNX Runtime computes fp16 in fp32."""
    from tests.random_models import torch_logits

    checkpoint = regression(tmp_path / "prices", 1)
    weights(tmp_path / "prices", lambda tensors: tensors.__setitem__(spoil, tensors[spoil] * np.float32(3e6)))
    record = export(checkpoint, str(tmp_path / "onnx"), Numbers(), ExportConfig(precision="fp16", max_drop=100))
    [gate] = [stage["gate"] for stage in record["stages"] if "gate" in stage]
    assert gate["left_out"]
    spread = np.ptp(torch_logits(checkpoint, sentences()))
    assert record["parity"]["largest_difference"] < 0.05 * spread
    model = onnx.load(tmp_path / "onnx/model.onnx")
    for tensor in model.graph.initializer:
        assert np.isfinite(onnx.numpy_helper.to_array(tensor)).all()
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            assert abs(onnx.numpy_helper.to_array(tensor)).max() < 65504


@pytest.mark.parametrize(("factor", "bound"), [(20_000, 10.0), (1e-4, 1e-7)])
def test_parity_of_a_regression_goes_by_the_spread_of_its_values(tmp_path, factor, bound):
    checkpoint = regression(tmp_path / "checkpoint", factor)
    record = export(checkpoint, str(tmp_path / "onnx"), Numbers())["parity"]
    from tests.random_models import torch_logits

    logits = torch_logits(checkpoint, sentences())
    apart, largest = float(logits.max() - logits.min()), float(abs(logits).max())
    assert record["allowed"] == pytest.approx(1e-4 * max(apart, largest / 32), rel=0.2)  # with one text more
    assert record["largest_difference"] <= record["allowed"] < bound


def test_a_checkpoint_that_rules_a_class_out_is_exported_and_scored(tmp_path):
    folder = save_tiny(tmp_path / "model", num_labels=3, layers=1)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][2] = -np.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    record = export(str(folder), str(tmp_path / "onnx"), Sentences(sentences(8)))
    assert record["parity"]["largest_difference"] < record["parity"]["allowed"] == 1e-4
