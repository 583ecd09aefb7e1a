"""A graphics card that is only written down: the parts of `onnxruntime` that reach for one."""

from __future__ import annotations

import types
from types import SimpleNamespace

import numpy as np


class Binding:
    def __init__(self, log):
        self.log = log

    def bind_ortvalue_input(self, name, value):
        self.log.append(("input", name, value.device))

    def bind_output(self, name, device, number):
        self.log.append(("output", name, device, number))

    def synchronize_outputs(self):
        self.log.append("synchronise")


class InferenceSession:
    """Takes 32-bit ids and a mask of halves; comes up with the providers `opened`, else as wanted."""

    def __init__(self, log, opened, file, options, providers):
        self.log = log
        log.append(("open", file, providers))
        self.providers = opened or providers

    def get_providers(self):
        return self.providers

    def get_inputs(self):
        kinds = {"input_ids": "tensor(int32)", "mask": "tensor(float16)"}
        return [SimpleNamespace(name=name, type=kind) for name, kind in kinds.items()]

    def get_outputs(self):
        return [SimpleNamespace(name="logits")]

    def io_binding(self):
        return Binding(self.log)

    def run_with_iobinding(self, binding):
        self.log.append("forward")

    def run(self, names, feeds):
        return [np.zeros((1, 2), np.float16)]


def fake_onnxruntime(log, available, opened=None):
    """A module that notes in `log` what it is asked."""

    def place(array, device, number):
        log.append(("place", device, number, array.dtype.name, array.shape))
        return SimpleNamespace(device=device)

    module = types.ModuleType("onnxruntime")
    module.OrtValue = SimpleNamespace(ortvalue_from_numpy=place)
    module.SessionOptions = lambda: SimpleNamespace(add_session_config_entry=lambda *entry: log.append(entry))
    module.InferenceSession = lambda *arguments, **options: InferenceSession(log, opened, *arguments, **options)
    module.ExecutionMode = SimpleNamespace(ORT_SEQUENTIAL=0)
    module.get_available_providers = lambda: available
    return module
