"""Fresh environments that hold what is installed into them, on top of what the tests' own environment holds."""

from __future__ import annotations

import os
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
        self.install(*packages)

    def install(self, *packages: str | Path) -> None:
        """Install wheels, or folders of projects that hatchling builds."""
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "-q", "--no-deps"]
        options = ["--no-build-isolation", "--no-compile", "-c", ROOT / "constraints.txt"]
        subprocess.run([*pip, *options, *packages], check=True, capture_output=True)

    def run(self, command: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in `folder`, where nothing of this checkout can be imported."""
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [self.bin / command, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
