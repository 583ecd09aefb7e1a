import json

import pytest

from tests.measure.scripted import Examples, save_onnx
from tests.toy_data import sentences
from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure import child
from theseus_plugin.measure.latency import Latency, LatencyConfig
from theseus_plugin.options.validation import validate

QUICK = {
    "rounds": 2,
    "runs": 1,
    "max_runs": 1,
    "min_seconds": 0,
    "min_count": 2,
    "settle_seconds": 0,
    "warmup_seconds": 0,
    "threads": 1,
}


@pytest.mark.usefixtures("warm_children")
def test_from_text_to_logits(models):
    names = [str(models / "bert-onnx"), str(models / "small-onnx")]
    config = LatencyConfig(**QUICK, shapes=("1x8", "3"), task_examples=5, seed=4)
    records = Latency(config).evaluate(names, Sentences())
    json.dumps(records, allow_nan=False)
    assert [r["file"] for r in records] == [f"{name}/model.onnx" for name in names]
    for record in records:
        assert list(record["shapes"]) == ["1x8", "3"]
        assert record["load_ms"] > 0
        assert (record["device"], record["threads"], record["spinning"]) == ("cpu", 1, False)
        for timed in record["shapes"].values():
            assert timed["count"] == 2 * 2 * 2 * 2  # sets, rounds, bursts, calls
            assert timed["first_call_ms"] > 0
            assert len(timed["round_medians_ms"]) == 2 * 2
            low, high = timed["interval_ms"]
            assert low <= timed["median_ms"] <= high
        assert record["task"]["count"] == record["end_to_end"]["total"]["count"] == 2 * 2 * 5 * 2
        assert record["task"]["warmup_calls"] == 4
        assert (record["task"]["examples"], record["task"]["seed"]) == (5, 4)
        parts = record["end_to_end"]
        assert 0 < parts["tokenise"]["median_ms"] < parts["total"]["median_ms"]
    first, other = records
    assert (
        first["shapes"]["1x8"]["times_as_fast"]["rounds"] == first["end_to_end"]["times_as_fast"]["rounds"] == [1] * 4
    )
    for shape in ("1x8", "3"):
        pairs = zip(*(r["shapes"][shape]["round_medians_ms"] for r in records), strict=True)
        assert other["shapes"][shape]["times_as_fast"]["rounds"] == pytest.approx([a / b for a, b in pairs])
        assert first["shapes"][shape]["control"] == other["shapes"][shape]["control"]
        assert first["shapes"][shape]["control"]["rounds"] != [1, 1]
    lengths = sorted(len(text.split()) + 2 for text in sentences())
    assert lengths[0] <= first["task"]["lengths"]["min"] <= first["task"]["lengths"]["max"] <= lengths[-1]


def test_real_processes_of_a_checkpoint_and_its_export(models):
    names = [str(models / "bert-onnx"), str(models / "bert@eager")]
    config = LatencyConfig(**QUICK, shapes=("1x8",), task_examples=0)
    first, other = Latency(config).evaluate(names, Sentences())
    assert other["file"] == str(models / "bert/model.safetensors")
    assert not {"task", "end_to_end"} & set(first)
    assert other["shapes"]["1x8"]["count"] == 2 * 2 * 2 * 2
    assert first["load_ms"] > 0
    assert other["load_ms"] > 0


def test_a_task_without_tokens_or_texts(tmp_path):
    name = str(save_onnx(tmp_path / "m", inputs=["pixel_values"]))
    [record] = Latency(LatencyConfig(**QUICK, task_examples=3)).evaluate([name], Examples(images=True))
    assert list(record["shapes"]) == ["1", "32"]
    assert record["task"]["examples"] == 3
    assert "lengths" not in record["task"]
    assert "end_to_end" not in record


def test_no_more_processes_than_one_shape_needs(tmp_path, monkeypatch):
    alive, most = [], []

    class Counting(child.Child):
        def __enter__(self):
            alive.append(self.name)
            most.append(list(alive))
            return super().__enter__()

        def __exit__(self, *error):
            alive.remove(self.name)
            super().__exit__(*error)

    monkeypatch.setattr("theseus_plugin.measure.rounds.Child", Counting)
    names = [str(save_onnx(tmp_path / name)) for name in "ab"]
    Latency(LatencyConfig(**QUICK, shapes=("1x2", "2x1"), task_examples=0)).evaluate(names, Examples())
    # the first one twice, for it is the control as well
    assert [models for models in most if len(models) == 3] == [[*names, names[0]], [*names, names[0]][::-1]] * 2
    assert (len(most), max(map(len, most)), alive) == (12, 3, [])


@pytest.mark.parametrize("shape", ["1x", "0x8", "ax8", "1x8x2", "-1x8"])
def test_a_shape_that_is_none(shape):
    with pytest.raises(UserError, match="write BATCHxLENGTH"):
        validate(LatencyConfig, {"shapes": [shape]}, "latency")


def test_a_shape_longer_than_the_model(tmp_path):
    name = str(save_onnx(tmp_path / "m"))
    with pytest.raises(UserError, match="1x65 is longer than the model's 64 positions"):
        Latency(LatencyConfig(shapes=("1x64", "1x65"))).evaluate([name], Examples())


def test_a_killed_process_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_START", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(UserError, match="killed by signal 9"):
        Latency(LatencyConfig(**QUICK, shapes=("1x8",))).evaluate([str(save_onnx(tmp_path / "m"))], Examples())


def test_a_device_that_is_not_there_is_said_before_anything_is_timed(tmp_path):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    name = str(save_onnx(tmp_path / "m"))
    with pytest.raises(UserError, match=r"no device 'cuda'.*install onnxruntime-gpu") as caught:
        Latency(LatencyConfig(**QUICK, device="cuda", shapes=("1x8",))).evaluate([name], Examples())
    assert "\n" not in str(caught.value)
