"""How numbers are represented in training: fp32, or bf16 under autocast."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list

from theseus_plugin.launching.asked_for import launched_precision
from theseus_plugin.training.config import TrainingConfig

WORTH = 0.8
"""Of its time in fp32, what a matrix product may take in bf16 for autocast, which also has to cast, to be worth it."""


def resolve_precision(config: TrainingConfig, device: torch.device) -> str:
    """`fp32` or `bf16`; `auto` is bf16 where launched so or `device` is faster in it; the same in all processes.

    A CPU's flags do not tell: some that have AVX-512's bf16 but no AMX take longer in it than in fp32. So a CPU is
    timed, by the first process alone, for less than a fifth of a second.

    Raises:
        UserError: `auto`, launched with a precision that the loop does not train in.
    """
    if config.precision != "auto":
        return config.precision
    if launched := launched_precision():
        return launched
    found = ["bf16" if PartialState().is_main_process and _is_faster_in_bf16(device) else "fp32"]
    return str(broadcast_object_list(found)[0])


def autocast(accelerator: Accelerator, wanted: bool) -> AbstractContextManager[None]:
    """The run's precision for a pass; fp32 where autocast is not `wanted`."""
    return accelerator.autocast() if wanted else nullcontext()


def _is_faster_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    if device.type != "cpu" or not (capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")):
        return False
    seconds = product_seconds([torch.float32, torch.bfloat16])
    return seconds[torch.bfloat16] < WORTH * seconds[torch.float32]


def product_seconds(dtypes: list[torch.dtype], size: int = 768, rounds: int = 6) -> dict[torch.dtype, float]:
    """Of the product of two square matrices, the shortest of some rounds, in which the kinds take turns."""
    drawn = torch.rand(size, size, generator=torch.Generator().manual_seed(0))  # the global state is left alone
    matrices = {dtype: drawn.to(dtype) for dtype in dtypes}
    shortest = dict.fromkeys(dtypes, float("inf"))
    for _ in range(rounds):
        for dtype, matrix in matrices.items():
            began = time.perf_counter()
            torch.mm(matrix, matrix)
            shortest[dtype] = min(shortest[dtype], time.perf_counter() - began)
    return shortest
