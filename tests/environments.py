"""Fresh environments that hold what is installed into them, on top of what the tests' own environment holds."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


class LayeredEnvironment:
    """A new environment. What is installed into it comes without dependencies: they are those of this environment."""

    def __init__(self, folder: Path, *packages: str | Path) -> None:
        venv.create(folder, with_pip=False)
        self.bin = folder / "bin"
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        layer = [path for path in sys.path if path.endswith("site-packages")]
        (self.packages / "layer.pth").write_text("\n".join(layer))
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "-q"]
        options = ["--no-deps", "--no-compile", "-c", ROOT / "constraints.txt"]
        subprocess.run([*pip, *options, *packages], check=True, capture_output=True)
