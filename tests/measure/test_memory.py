import numpy as np
import pytest

from tests.measure.scripted import Examples, save_onnx
from theseus_plugin.errors import UserError
from theseus_plugin.measure import process_memory
from theseus_plugin.measure.memory import Memory, MemoryConfig
from theseus_plugin.measure.worker import Worker

MIB = 1 << 20


def test_a_model_of_thirty_megabytes_takes_as_much_more_than_a_small_one(tmp_path):
    small = save_onnx(tmp_path / "small")
    large = save_onnx(tmp_path / "large", width=4 * MIB)  # two labels: 32 MiB of weights
    config = MemoryConfig(shape="2x3", threads=1)
    one, other = Memory(config).evaluate([str(small), str(large)], Examples())
    if one["baseline_bytes"] is None:
        pytest.skip("this system does not tell")
    assert (one["shape"], one["device"], one["threads"]) == ("2x3", "cpu", 1)
    assert one["baseline_bytes"] > 10 * MIB
    assert 0 < one["loaded_bytes"] <= one["peak_bytes"] < 32 * MIB
    assert other["loaded_bytes"] - one["loaded_bytes"] > 28 * MIB
    assert other["peak_bytes"] >= other["loaded_bytes"]
    assert other["file"] == f"{large}/model.onnx"


def test_what_the_system_tells_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(process_memory, "PROCESS", tmp_path)
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
    process_memory.forget_peak()
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert (process_memory.now(), process_memory.peak()) == (MIB, 2 * MIB)


def test_a_system_that_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(process_memory, "PROCESS", tmp_path / "absent")
    worker = Worker(opener=lambda **_: type("M", (), {"run": lambda self, batch: np.zeros(1)})())
    worker.answer("prepare", {"runtime": "onnxruntime", "file": "", "auto_class": ""})
    assert worker.answer("memory", {"batch": {}}) == {"baseline": None, "loaded": None, "peak": None}


def test_the_record_says_so_too(tmp_path, monkeypatch):
    from theseus_plugin.measure import child

    monkeypatch.setattr(child.Child, "ask", lambda *_, **__: dict.fromkeys(("baseline", "loaded", "peak")))
    [record] = Memory(MemoryConfig()).evaluate([str(save_onnx(tmp_path / "m"))], Examples())
    assert record["baseline_bytes"] is record["loaded_bytes"] is record["peak_bytes"] is None


def test_a_shape_too_long(tmp_path):
    with pytest.raises(UserError, match="longer than the model's 64 positions"):
        Memory(MemoryConfig(shape="1x65")).evaluate([str(save_onnx(tmp_path / "m"))], Examples())
