"""Every case of bad input: one line, exit status 2, nothing left behind."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from tests import bad_input
from tests.bad_input import driver, world
from tests.bad_input.driver import Case
from tests.clean_process import exit_code

MODULES = sorted(found.name for found in pkgutil.iter_modules(bad_input.__path__) if found.name.startswith("cases_"))
CASES = [(module, number, case) for module in MODULES for number, case in enumerate(driver.load(module))]


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad_input") / "assets"
    assert exit_code(world.build, folder) == 0
    return folder


def test_every_case_is_another() -> None:
    names = [case.did for _, _, case in CASES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(("module", "number", "case"), [pytest.param(*one, id=one[2].did) for one in CASES])
def test_one_line_and_nothing_left(module: str, number: int, case: Case, assets: Path, tmp_path: Path) -> None:
    ended = driver.run(module, number, assets, tmp_path / "here")
    assert not driver.faults(case, ended), ended.error
