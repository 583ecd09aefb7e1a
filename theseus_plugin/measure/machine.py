"""The machine that measures: what it is, and how busy others keep it."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from theseus_plugin.onnx.cores import usable_cores

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
PACKAGES = ("theseus-plugin", "onnxruntime", "torch", "transformers", "numpy")
BUSY = 0.1


def environment() -> dict[str, Any]:
    """CPU, usable cores, versions and date; no library is imported for it."""
    name, flags = _cpu()
    return {
        "cpu": name,
        "cpu_flags": [flag for flag in FLAGS if flag in flags],
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class Watch:
    """Who else used the processor between its making and `record`.

    Finished child processes count as ours, running ones do not: ask when none is running.
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._all, self._ours, self._wall = _all_seconds(), _our_seconds(), time.monotonic()

    def record(self) -> dict[str, Any]:
        """Load averages, cores used by others on average, and `busy`: those were more than a tenth of all.

        `others_cores` and `busy` are None where the system does not tell.
        """
        others = None
        everyone = _all_seconds()
        if everyone is not None and self._all is not None:
            wall = time.monotonic() - self._wall
            others = max(0.0, everyone - self._all - (_our_seconds() - self._ours)) / max(wall, 1e-9)
        return {
            "load_before": self._load,
            "load_after": os.getloadavg()[0],
            "others_cores": others,
            "busy": None if others is None else others > BUSY * (os.cpu_count() or 1),
        }


def _all_seconds() -> float | None:
    """CPU seconds that everybody on this machine has used, time stolen by other machines included."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _our_seconds() -> float:
    return sum(os.times()[:4])


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name", platform.machine()), set(
        facts.get("flags", facts.get("Features", "")).split()
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
