"""Which precision `auto` is."""

from __future__ import annotations

import pytest
import torch

from theseus_plugin.training import precision
from theseus_plugin.training.config import TrainingConfig

CPU = torch.device("cpu")
FLAGS = {"none": {}, "avx512": {"avx512_bf16": True}, "amx": {"amx_bf16": True}}


@pytest.mark.parametrize(
    ("flags", "bf16_takes", "expected"),
    [
        ("avx512", 0.5, "bf16"),
        ("amx", 0.5, "bf16"),
        ("avx512", 1.8, "fp32"),
        ("amx", 0.9, "fp32"),
        ("none", 0.5, "fp32"),
    ],
)
def test_a_cpu_trains_in_bf16_where_it_has_it_and_is_faster_in_it(
    monkeypatch: pytest.MonkeyPatch, flags: str, bf16_takes: float, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: FLAGS[flags])
    times = {torch.float32: 1.0, torch.bfloat16: bf16_takes}
    monkeypatch.setattr(precision, "product_seconds", lambda dtypes: times)
    assert precision.resolve_precision(TrainingConfig(), CPU) == expected
    for given in ("fp32", "bf16"):
        assert precision.resolve_precision(TrainingConfig(precision=given), CPU) == given


def test_both_kinds_are_timed() -> None:
    seconds = precision.product_seconds([torch.float32, torch.bfloat16], size=32, rounds=2)
    assert list(seconds) == [torch.float32, torch.bfloat16]
    assert all(0 < one < 60 for one in seconds.values())


def test_other_devices_train_in_fp32() -> None:
    assert precision.resolve_precision(TrainingConfig(), torch.device("meta")) == "fp32"
