import numpy as np
import pytest

from tests.measure.scripted import save_onnx
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import AccuracyConfig
from theseus_plugin.measure.latency import LatencyConfig
from theseus_plugin.measure.memory import MemoryConfig
from theseus_plugin.measure.placement import admitted
from theseus_plugin.options.validation import validate


@pytest.mark.parametrize("config", [AccuracyConfig, LatencyConfig, MemoryConfig])
def test_what_makes_no_sense_is_refused_unless_forced(tmp_path, config):
    half = str(save_onnx(tmp_path / "half", dtype=np.float16))
    dynamic = str(save_onnx(tmp_path / "dynamic", operators=["MatMulInteger"]))
    plain = str(save_onnx(tmp_path / "plain"))
    for name, device in ((half, "cpu"), (dynamic, "cuda"), (dynamic, "tensorrt")):
        with pytest.raises(UserError, match=r"force=true") as caught:
            admitted([plain, name], config(device=device))
        assert name in str(caught.value)
        assert len(admitted([plain, name], config(device=device, force=True))) == 2
    assert len(admitted([half, plain], config(device="cuda"))) == len(admitted([dynamic, plain], config())) == 2


def test_tensorrt_takes_no_checkpoint(models):
    for name in ("bert", "bert@compiled"):
        with pytest.raises(UserError, match="runs ONNX models only"):
            admitted([str(models / name)], AccuracyConfig(device="tensorrt", force=True))


def test_devices_by_name():
    with pytest.raises(UserError, match="'cpu', 'cuda' or 'tensorrt'"):
        validate(LatencyConfig, {"device": "gpu"}, "latency")
