"""Where a result came from: versions, revision, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("theseus-plugin", "torch", "transformers", "accelerate", "datasets", "onnx", "onnxruntime")


def environment() -> dict[str, Any]:
    """Facts about this machine and installation, JSON-like."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "git_revision": git_revision(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def processor() -> str:
    """The CPU's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
