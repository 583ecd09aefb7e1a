"""Fresh environments that hold what is installed into them, on top of what the tests' own environment holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.patience import finished
from tests.stock_process import StockProcess

ROOT = Path(__file__).parents[1]


class LayeredEnvironment:
    """A new environment. What is installed into it comes without dependencies: they are those of this environment.

    Args:
        folder: where it is made.
        packages: what is installed at once, as `install` takes it.
        stock: runs programs that import much.
    """

    def __init__(self, folder: Path, *packages: str | Path, stock: StockProcess) -> None:
        venv.create(folder, with_pip=False)
        self.bin = folder / "bin"
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        self._stock = stock
        layer = [path for path in sys.path if path.endswith("site-packages")]
        (self.packages / "layer.pth").write_text("\n".join(layer))
        self.install(*packages)

    def install(self, *packages: str | Path) -> None:
        """Install wheels, or folders of projects that hatchling builds."""
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "-q", "--no-deps"]
        options = ["--no-build-isolation", "--no-compile", "-c", ROOT / "constraints.txt"]
        subprocess.run([*pip, *options, *packages], check=True, capture_output=True)

    def run(
        self, command: str, *arguments: str | Path, folder: Path, pythonpath: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in `folder`, where nothing of this checkout can be imported."""
        return finished([self.bin / command, *arguments], cwd=folder, env=_variables(pythonpath))

    def run_warm(
        self, command: str, *arguments: str | Path, folder: Path, pythonpath: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same in a fork of a process that has imported torch, transformers and the like, and nothing of ours."""
        variables = _variables(pythonpath)
        python = str(self.bin / "python")
        asked = [python, "-P", "-c", "import json, sys; print(json.dumps(sys.path))"]
        path = json.loads(subprocess.run(asked, cwd=folder, env=variables, check=True, capture_output=True).stdout)
        program = [*map(str, arguments)] if command == "python" else [str(self.bin / command), *map(str, arguments)]
        return self._stock.run(program, python, path, folder, variables)


def _variables(pythonpath: Path | None) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return variables if pythonpath is None else variables | {"PYTHONPATH": str(pythonpath)}
