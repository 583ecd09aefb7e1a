import json

import numpy as np
import pytest

from tests.support_models import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure import child
from theseus_plugin.measure.inputs import fill
from theseus_plugin.measure.latency import Latency, LatencyConfig
from theseus_plugin.validation import validate

QUICK = {
    "shapes": ["1x8", "3x16"],
    "rounds": 2,
    "min_seconds": 0,
    "min_count": 2,
    "warmup_seconds": 0,
    "threads": 1,
}


def test_real_processes(models):
    names = [str(models / "bert-onnx"), str(models / "small")]
    records = Latency(LatencyConfig(**QUICK)).evaluate(names, Sentences())
    json.dumps(records, allow_nan=False)
    assert [r["file"] for r in records] == [f"{names[0]}/model.onnx", f"{names[1]}/model.safetensors"]
    for record in records:
        assert list(record["shapes"]) == ["1x8", "3x16"]
        assert record["load_ms"] > 0
        assert record["threads"] == 1
        for timed in record["shapes"].values():
            assert timed["count"] == 4
            assert timed["first_call_ms"] > 0
            assert len(timed["round_medians_ms"]) == 2
    assert records[0]["shapes"]["1x8"]["times_as_fast"]["rounds"] == [1, 1]


def test_records_from_scripted_processes(models, monkeypatch):
    """Two models, scripted: the second takes half as long, and everything is slower in the second round."""
    order = []

    def scripted(job, arrays, threads, tick):
        second = "small" in job["model"]
        order.append(second)
        slow = 2 if len(order) > 2 else 1
        ns = np.array([4_000_000, 6_000_000, 5_000_000]) * slow // (2 if second else 1)
        return {"load_ms": 7.0 * slow, "first_ns": {"1x8": 9_000_000}}, {"1x8": ns}

    monkeypatch.setattr(child, "run_child", scripted)
    config = LatencyConfig(**{**QUICK, "shapes": ["1x8"]})
    first, other = Latency(config).evaluate([str(models / "bert"), str(models / "small")], Sentences())
    assert order == [False, True, True, False]
    assert first["shapes"]["1x8"]["round_medians_ms"] == [5, 10]
    assert other["shapes"]["1x8"]["times_as_fast"] == {"rounds": [2, 2], "median": 2, "min": 2, "max": 2}
    assert other["shapes"]["1x8"]["noise"] == first["shapes"]["1x8"]["spread"] == pytest.approx(5 / 7.5)
    assert other["shapes"]["1x8"]["first_call_ms"] == 9
    assert other["load_ms"] == 10.5


def test_inputs_are_the_tokens_of_the_examples_without_padding():
    examples = [
        {"input_ids": [1, 2, 3], "token_type_ids": [0, 0, 1], "attention_mask": [1, 1, 1], "labels": 0},
        {"input_ids": [4, 5], "token_type_ids": [0, 1], "attention_mask": [1, 1], "labels": 1},
    ]
    arrays = fill(examples, "2x4")
    assert arrays["input_ids"].tolist() == [[1, 2, 3, 4], [5, 1, 2, 3]]
    assert arrays["token_type_ids"].tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]
    assert arrays["attention_mask"].tolist() == [[1] * 4] * 2
    assert "labels" not in arrays


@pytest.mark.parametrize("shape", ["16", "1x", "0x8", "ax8", "1x8x2", "-1x8"])
def test_a_shape_that_is_none(shape):
    with pytest.raises(UserError, match="write BATCHxLENGTH"):
        validate(LatencyConfig, {"shapes": [shape]}, "latency")


def test_a_shape_longer_than_the_model(models):
    with pytest.raises(UserError, match="1x65 is longer than the model's 64 positions"):
        Latency(LatencyConfig(shapes=("1x64", "1x65"))).evaluate([str(models / "bert")], Sentences())


def test_a_killed_process_is_reported(models, monkeypatch):
    monkeypatch.setattr(child, "_START", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(UserError, match="killed by signal 9"):
        Latency(LatencyConfig(**QUICK)).evaluate([str(models / "bert")], Sentences())


def test_a_defect_in_the_process_carries_its_traceback():
    with pytest.raises(RuntimeError, match="KeyError: 'unknown'"):
        child.run_child({"job": "unknown", "model": "m"}, {"0.x": np.zeros(1)}, 1)


def test_the_process_has_its_threads_set_before_it_imports_anything(monkeypatch, capfd):
    monkeypatch.setattr(
        child,
        "_START",
        "import os, sys; sys.exit(os.environ['OMP_NUM_THREADS'] + ' ' + str('numpy' in sys.modules))",
    )
    with pytest.raises(RuntimeError, match="3 False"):
        child.run_child({"job": "clock", "model": "m"}, {}, 3)
