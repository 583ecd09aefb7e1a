"""Where a result came from: versions, revision, machine. No library is imported for it."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from theseus_plugin.cores import usable_cores

PACKAGES = ("theseus-plugin", "torch", "transformers", "accelerate", "datasets", "onnx", "onnxruntime", "numpy")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")
"""Instruction sets that decide how fast matrix products are, by precision."""


def environment() -> dict[str, Any]:
    """Facts about this machine and installation, JSON-like."""
    name, flags = _cpu()
    return {
        "cpu": name,
        "cpu_flags": [flag for flag in FLAGS if flag in flags],
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "git_revision": git_revision(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_revision() -> str | None:
    """Commit of the checkout this package runs from, `+changes` if edited since; None outside a checkout."""
    here = Path(__file__).parent
    try:
        # A package installed into some other project's virtual environment is ignored there: not its revision.
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        return _git(here, "rev-parse", "HEAD") + ("+changes" if _git(here, "status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name", platform.machine()), set(facts.get("flags", facts.get("Features", "")).split())
