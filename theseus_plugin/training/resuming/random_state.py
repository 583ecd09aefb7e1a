"""The state of a process's random number generators in a checkpoint: safetensors and JSON, nothing is unpickled."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

_OTHERS = "generators"


def save_generators(file: Path, device: torch.device) -> None:
    """Write the state of Python's, NumPy's and PyTorch's generators, on the CPU and on `device`."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64))}
    if device.type != "cpu":
        tensors[device.type] = torch.get_device_module(device.type).get_rng_state()
    others = {"python": random.getstate(), "numpy": [kind, *rest]}
    save_file(tensors, file, metadata={_OTHERS: json.dumps(others)})


def load_generators(file: Path, device: torch.device) -> None:
    """Put the generators back where `save_generators` found them."""
    with safe_open(file, framework="pt") as opened:
        others = json.loads((opened.metadata() or {})[_OTHERS])
        kind, *rest = others["numpy"]
        np.random.set_state((kind, opened.get_tensor("numpy").numpy().astype(np.uint32), *rest))
        torch.set_rng_state(opened.get_tensor("torch"))
        if device.type != "cpu":
            torch.get_device_module(device.type).set_rng_state(opened.get_tensor(device.type))
    version, state, gauss = others["python"]
    random.setstate((version, tuple(state), gauss))
