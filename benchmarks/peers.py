"""Other people's exports of the same checkpoint, made in an environment of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENVIRONMENT = Path(".venv-optimum")
CONSTRAINTS = Path("constraints.txt")


def optimum_o3(checkpoint: Path, output: Path) -> None:
    """Optimum's export at optimisation level O3, which approximates GELU too.

    The environment is its own because optimum-onnx holds transformers below 4.58.
    """
    command = ENVIRONMENT / "bin/optimum-cli"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        pins = [line for line in CONSTRAINTS.read_text().split() if line.startswith(("torch==", "onnxruntime=="))]
        subprocess.run([*pip, *pins], check=True)
        subprocess.run([*pip, *pins, "optimum-onnx[onnxruntime]==0.1.0"], check=True)
    task = ["--task", "text-classification", "--optimize", "O3"]
    subprocess.run([str(command), "export", "onnx", "--model", str(checkpoint), *task, str(output)], check=True)
