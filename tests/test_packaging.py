"""A real wheel in a fresh environment."""

from __future__ import annotations

import json
import subprocess
import tomllib
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

REPORT = """
import json
from importlib.metadata import distribution
groups = {}
for point in distribution("theseus-plugin").entry_points:
    groups.setdefault(point.group, {})[point.name] = point.value
print(json.dumps(groups))
"""


@pytest.fixture(scope="module")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds our wheel and what `plugins` needs of its dependencies."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pins = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True, capture_output=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *pins, "click", "pydantic"], check=True, capture_output=True)
    return python


def listed() -> dict[str, Any]:
    return tomllib.loads((ROOT / "entry_points.toml").read_text())


def test_the_metadata_is_the_list(fresh_python: Path) -> None:
    printed = subprocess.run([fresh_python, "-c", REPORT], check=True, capture_output=True, text=True).stdout
    assert json.loads(printed) == listed()


def test_the_installed_command_lists_the_plugins_without_torch(fresh_python: Path) -> None:
    """There is no torch in that environment: listing works all the same."""
    command = fresh_python.with_name("theseus-plugin")
    rows = json.loads(subprocess.run([command, "plugins", "--json"], check=True, capture_output=True, text=True).stdout)
    expected = {name for group, names in listed().items() if group != "console_scripts" for name in names}
    assert {row["name"] for row in rows} == expected
    assert {row["distribution"] for row in rows} == {"theseus-plugin"}
    assert all(row["problem"] is None for row in rows)


def test_the_wheel_holds_the_package_and_the_file_for_optimum(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {"theseus_plugin", "optimum", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
    assert {name.split("/")[0] for name in names} == folders
    # more than this one, and be it an __init__.py, would shadow files of Optimum's
    assert [n for n in names if n.startswith("optimum/")] == ["optimum/commands/register/register_theseus.py"]
    assert "theseus_plugin/py.typed" in names


def test_without_optimum_its_file_registers_nothing(fresh_python: Path) -> None:
    code = "from optimum.commands.register.register_theseus import REGISTER_COMMANDS; print(REGISTER_COMMANDS)"
    assert subprocess.run([fresh_python, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_version_is_stated_once() -> None:
    import theseus_plugin

    assert distribution("theseus-plugin").version == theseus_plugin.__version__


def test_every_tested_version_is_within_the_stated_range() -> None:
    from packaging.requirements import Requirement

    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        requirement = Requirement(text)
        assert pins[requirement.name] in requirement.specifier, text


def test_no_module_hides_a_function_of_the_package() -> None:
    """An imported submodule becomes an attribute of its package, in the place of what has the same name."""
    import theseus_plugin

    modules = {path.stem for path in Path(theseus_plugin.__file__).parent.iterdir()}
    assert not modules & set(theseus_plugin.__all__)
