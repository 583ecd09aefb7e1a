"""Discovery with real distributions on the path: ours, a good one, a broken one, a twin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.plugins import registry

GOOD = """
from pydantic import BaseModel
class Good:
    name, summary = "good", "does nothing"
    class Config(BaseModel):
        size: int = 1
    def __init__(self, config): self.config = config
    def compress(self, predecessor, successor, task): return {}
class Lame:
    name = "lame"
"""
FOREIGN = """
from pydantic import BaseModel
class Sorry(Exception):
    mendable = True
class Foreign:
    name, summary = "foreign", "imports nothing of ours"
    class Config(BaseModel):
        refuse: bool = False
    def __init__(self, config): self.config = config
    def compress(self, predecessor, successor, task):
        if self.config.refuse:
            raise Sorry(f"{predecessor}: too good to be compressed: choose another")
        return {"kind": self.name}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path for distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("other_"):
            del sys.modules[name]


def install(site: Path, distribution: str, module: str, code: str | None, methods: dict[str, str]) -> None:
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    lines = "".join(f"{name} = {target}\n" for name, target in methods.items())
    (info / "entry_points.txt").write_text(f"[model_compression.methods]\n{lines}")
    if code is not None:
        (site / f"{module}.py").write_text(code)


def row(name: str, check: bool = False) -> registry.Listing:
    return next(listing for listing in registry.listing(check) if listing.name == name)


def test_a_third_party_method_is_found_and_created(site: Path) -> None:
    install(site, "other-good", "other_good", GOOD, {"good": "other_good:Good"})
    assert row("good") == registry.Listing("method", "good", "other_good:Good", "other-good", "1.2", None)
    assert "other_good" not in sys.modules, "listing imports nothing"
    assert registry.create("method", "good", {"size": 4}, "method").config.size == 4


def test_a_plugin_that_raises_is_reported_and_hurts_nobody(site: Path) -> None:
    install(site, "other-bad", "other_bad", "raise RuntimeError('out of luck')", {"bad": "other_bad:Bad"})
    install(site, "other-good", "other_good", GOOD, {"good": "other_good:Good"})
    with pytest.raises(UserError, match=r"method 'bad' of distribution 'other-bad' cannot be loaded .*out of luck"):
        registry.load("method", "bad")
    assert registry.load("method", "good").name == "good"
    assert row("bad").problem is None, "not known without importing it"
    assert "out of luck" in (row("bad", check=True).problem or "")
    assert row("theseus", check=True).problem is None


def test_a_missing_module_is_known_without_importing(site: Path) -> None:
    install(site, "other-gone", "other_gone", None, {"gone": "other_gone.sub:Gone"})
    assert "module 'other_gone' does not exist" in (row("gone").problem or "")


def test_a_class_that_breaks_the_contract(site: Path) -> None:
    install(site, "other-lame", "other_lame", GOOD, {"lame": "other_lame:Lame"})
    with pytest.raises(UserError, match=r"'other-lame' breaks the contract, it lacks summary, Config, compress"):
        registry.load("method", "lame")


def test_a_class_that_is_registered_under_another_name(site: Path) -> None:
    install(site, "other-alias", "other_alias", GOOD, {"fine": "other_alias:Good"})
    with pytest.raises(UserError, match=r"'other-alias' breaks the contract, it calls itself 'good': update"):
        registry.load("method", "fine")


@pytest.mark.parametrize(
    ("refuse", "line"),
    [
        (True, "error: here: too good to be compressed: choose another"),
        (
            False,
            "error: method 'foreign' of distribution 'other-foreign' breaks the contract, its record lacks after,"
            " before, environment, lower_is_better, metric, model, output, parameters, recipe,"
            " training: tell its author",
        ),
    ],
)
def test_a_plugin_that_imports_nothing_of_ours_gets_one_line_too(
    site: Path, reviews: dict[str, Any], refuse: bool, line: str
) -> None:
    install(site, "other-foreign", "other_foreign", FOREIGN, {"foreign": "other_foreign:Foreign"})
    method = {"name": "foreign", "refuse": refuse}
    recipe = {"predecessor": "here", "successor": "there", "task": reviews, "method": method}
    (site / "recipe.yaml").write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "theseus_plugin", "compress", "recipe.yaml"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    process = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (2, "", f"{line}\n")


def test_two_of_one_name_name_both_distributions(site: Path) -> None:
    install(site, "other-twin", "other_twin", GOOD, {"theseus": "other_twin:Good"})
    message = "method 'theseus' is registered by 'other-twin' and 'theseus-plugin': uninstall one of them"
    with pytest.raises(UserError) as caught:
        registry.load("method", "theseus")
    assert str(caught.value) == message
    twins = [listing for listing in registry.listing() if listing.name == "theseus"]
    assert [twin.problem for twin in twins] == [message, message]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no method named 'thesaurus' is installed: did you mean 'theseus'\?"):
        registry.load("method", "thesaurus")


def test_an_environment_variable_restricts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "other-good", "other_good", GOOD, {"good": "other_good:Good"})
    monkeypatch.setenv("THESEUS_PLUGINS", "good, size")
    assert [listing.name for listing in registry.listing()] == ["good", "size"]
    with pytest.raises(UserError, match="method 'theseus' is not among THESEUS_PLUGINS"):
        registry.load("method", "theseus")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in registry.GROUPS for name in registry.names(kind)])
def test_our_own_plugins_keep_the_contract(kind: registry.Kind, name: str) -> None:
    plugin = registry.load(kind, name)
    assert plugin.name == name
    assert plugin.summary
    assert "\n" not in plugin.summary
    schema = plugin.Config.model_json_schema()
    assert all("description" in field for field in schema.get("properties", {}).values())


def damage(site: Path, distribution: str, entry_points: bytes) -> None:
    """A distribution whose entry points cannot be read."""
    install(site, distribution, "", None, {})
    (site / f"{distribution.replace('-', '_')}-1.2.dist-info" / "entry_points.txt").write_bytes(entry_points)


@pytest.mark.parametrize(
    "entry_points", [b"[model_compression.methods]\nbad\n", b"[model_compression.methods]\nb = \xff\n"]
)
def test_a_distribution_that_cannot_be_read_hurts_nobody(site: Path, entry_points: bytes) -> None:
    before = registry.listing()
    damage(site, "other-damaged", entry_points)
    install(site, "other-good", "other_good", GOOD, {"good": "other_good:Good"})
    assert registry.load("method", "good").name == "good"
    assert registry.load("method", "theseus").name == "theseus"
    rows = registry.listing()
    assert set(rows) - set(before) == {row("good"), next(one for one in rows if one.name == "?")}
    assert set(before) <= set(rows)
    [broken] = [one for one in rows if one.problem]
    assert (broken.kind, broken.distribution) == ("method", "other-damaged")
    assert "entry_points.txt of distribution 'other-damaged' cannot be read" in (broken.problem or "")


def test_a_damaged_distribution_without_plugins_is_not_listed(site: Path) -> None:
    before = registry.listing()
    damage(site, "other-tool", b"[console_scripts]\ntool\n")
    assert registry.listing() == before


def test_a_distribution_without_metadata_is_listed_as_unknown(site: Path) -> None:
    install(site, "other-good", "other_good", GOOD, {"good": "other_good:Good"})
    (site / "other_good-1.2.dist-info" / "METADATA").unlink()
    assert (row("good").distribution, row("good").problem) == ("unknown", None)
    assert registry.load("method", "good").name == "good"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (GOOD.replace("class Config(BaseModel):", "class Config:"), "its Config is no pydantic model"),
        (GOOD.replace("size: int = 1", "size: type(len) = 1"), "cannot be loaded (PydanticSchemaGenerationError"),
        ("import sys; sys.exit(0)", "cannot be loaded (SystemExit: 0)"),
        (
            GOOD.replace("size: int = 1", "model_config = {'arbitrary_types_allowed': True}\n        x: type(len) = 1"),
            "schema",
        ),
        (GOOD.replace('"does nothing"', '"does\\nnothing"'), "its summary is no line of text"),
    ],
)
def test_a_check_says_what_is_wrong_in_one_line(site: Path, code: str, said: str) -> None:
    install(site, "other-good", "other_good", code, {"good": "other_good:Good"})
    problem = row("good", check=True).problem or ""
    assert said in problem
    assert "'other-good'" in problem
    assert problem.isprintable()
    assert row("theseus", check=True).problem is None


def test_a_name_that_no_terminal_should_print(site: Path) -> None:
    install(site, "other-odd", "other_odd", GOOD, {"\x1b[31mred": "other_odd:Good"})
    [odd] = [one for one in registry.listing(check=True) if one.distribution == "other-odd"]
    assert odd.name.isprintable()
    assert (odd.problem or "").isprintable()
    with pytest.raises(UserError) as caught:
        registry.load("method", "none of these")
    assert str(caught.value).isprintable()


def test_an_entry_point_that_names_no_module(site: Path) -> None:
    install(site, "other-odd", "other_odd", GOOD, {"odd": "a b c", "odder": "..x:Good"})
    assert "'a b c' is not written as module:Class" in (row("odd").problem or "")
    assert "'..x:Good' is not written as module:Class" in (row("odder").problem or "")


def test_what_a_plugin_prints_when_it_is_imported_is_no_result(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "other-loud", "other_loud", "print('hello')\n" + GOOD, {"good": "other_loud:Good"})
    registry.load("method", "good")
    assert capsys.readouterr() == ("", "hello\n")
