import sys

import numpy as np
import pytest
import torch

from tests.measure.fakes import fake_onnxruntime
from tests.random_models import torch_logits
from theseus_plugin import checkpoint
from theseus_plugin.errors import UserError
from theseus_plugin.measure.runtimes import TorchModel, open_model
from theseus_plugin.onnx.session import Session

GPU = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
BATCH = {"input_ids": np.ones((2, 3), np.int64), "mask": np.ones((2, 3), np.float32), "more": np.zeros(1)}


def pretend(monkeypatch, available=GPU, opened=None):
    log = []
    monkeypatch.setitem(sys.modules, "onnxruntime", fake_onnxruntime(log, available, opened))
    return log


def test_on_cuda_inputs_lie_on_the_card_before_a_call_and_the_card_is_done_after_it(monkeypatch):
    log = pretend(monkeypatch)
    call = Session("m.onnx", 1, "cuda").bind(BATCH)
    assert log[1:] == [
        ("open", "m.onnx", ["CUDAExecutionProvider"]),
        ("place", "cuda", 0, "int32", (2, 3)),
        ("input", "input_ids", "cuda"),
        ("place", "cuda", 0, "float16", (2, 3)),
        ("input", "mask", "cuda"),
        ("output", "logits", "cuda", 0),
    ]
    log.clear()
    call()
    assert log == ["forward", "synchronise"]


def test_tensorrt_comes_first_and_cuda_takes_the_rest(monkeypatch):
    log = pretend(monkeypatch)
    Session("m.onnx", 1, "tensorrt")
    assert ("open", "m.onnx", GPU[:2]) in log


@pytest.mark.parametrize("spinning", [True, False])
def test_spinning_is_as_asked(monkeypatch, spinning):
    log = pretend(monkeypatch)
    assert Session("m.onnx", spinning=spinning).spinning is spinning
    assert log[0] == ("session.intra_op.allow_spinning", "1" if spinning else "0")


@pytest.mark.parametrize(
    ("available", "opened", "why"),
    [(GPU[2:], None, "built without it"), (GPU, GPU[2:], "libraries do not load")],
)
def test_a_device_that_is_not_there(monkeypatch, available, opened, why):
    pretend(monkeypatch, available, opened)
    for device in ("cuda", "tensorrt"):
        with pytest.raises(UserError, match=rf"m\.onnx: no device '{device}', .*{why}: install onnxruntime-gpu"):
            Session("m.onnx", 1, device)


@pytest.fixture
def tokens():
    ids = np.array([[2, 6, 7, 3], [2, 8, 9, 3]])
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def test_eager(models, tokens):
    model = open_model(
        "torch-eager", models / "small/model.safetensors", "AutoModelForSequenceClassification", 1, "cpu", None
    )
    assert torch.get_num_threads() == 1
    logits = model.run({**tokens, "what it does not take": tokens["input_ids"]})
    alone = torch_logits(models / "small", ["the film"])
    assert logits.shape == (2, alone.shape[1])
    np.testing.assert_allclose(model.bind(tokens)(), logits)
    with pytest.raises(UserError, match=r"small: PyTorch cannot run a batch of shape \(1, 99\)") as caught:
        model.run({name: np.ones((1, 99), np.int64) for name in tokens})
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="nothing it takes"):
        model.run({"pixel_values": np.zeros((1, 3, 2, 2))})


def test_torch_on_cuda(models, tokens, monkeypatch):
    """Tensors and model move to the card once; a call ends when it is done."""
    log = []

    class OnCard:
        device = "cpu"

        def to(self, device):
            log.append(("to", device))
            return self

        def forward(self, input_ids):
            raise AssertionError

        def __call__(self, input_ids):
            log.append("forward")
            return type("Output", (), {"logits": input_ids})

    with pytest.raises(UserError, match="no device 'cuda', this PyTorch sees none: install a CUDA build"):
        TorchModel(models / "small", "Any", 1, "cuda", compiled=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("synchronise"))
    monkeypatch.setattr(checkpoint, "load_to_run", lambda *_: OnCard())
    plain = torch.Tensor.to
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, device: log.append(("tensor to", device)) or plain(self, "cpu")
    )
    call = TorchModel(models / "small", "Any", 1, "cuda", compiled=False).bind(tokens)
    assert log == [("to", "cuda"), ("tensor to", "cuda")]
    log.clear()
    call()
    assert log == ["forward", "synchronise"]


def test_compiled_means_through_torch_compile(models, tokens, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: lambda **inputs: compiled.append(1) or model(**inputs))
    weights = models / "small/model.safetensors"
    for runtime in ("torch-eager", "torch-compiled"):
        logits = open_model(runtime, weights, "AutoModelForSequenceClassification", 1, "cpu", None).run(tokens)
        assert logits.shape == (2, 2)
    assert compiled == [1]


def test_without_a_compiler_the_way_out_is_named(models, tokens, monkeypatch):
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/nonexistent/g++"))
    torch._dynamo.reset()
    model = TorchModel(models / "small", "AutoModelForSequenceClassification", 1, "cpu", compiled=True)
    with pytest.raises(UserError, match=r"small: torch.compile lacks a C\+\+ compiler: install g\+\+") as caught:
        model.run(tokens)
    assert "\n" not in str(caught.value)
