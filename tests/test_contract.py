"""The contract as `docs/plugins.md` has it: our wheel in a fresh environment, and programs that import none of it."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from safetensors.numpy import load_file

from tests.environments import ROOT, LayeredEnvironment
from tests.stock_process import StockProcess
from theseus_plugin import compress
from theseus_plugin.contract import Evaluator, Result, Schedule, TaskData, as_recipe
from theseus_plugin.plugins import registry

TOOLKIT = ROOT / "examples" / "toolkit.py"
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def environment(
    wheel: Path, stock_process: StockProcess, tmp_path_factory: pytest.TempPathFactory
) -> LayeredEnvironment:
    return LayeredEnvironment(tmp_path_factory.mktemp("toolkit"), wheel, stock=stock_process)


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def names_in_table(heading: str) -> set[str]:
    """What stands in backticks in the first column of the table with that heading."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return {name for row in rows.splitlines() for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def test_the_toolkit_knows_nothing_of_ours() -> None:
    source = TOOLKIT.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    assert lines <= 40
    assert f"in {lines} lines" in PAGE
    assert "theseus" not in source


def test_a_toolkit_lists_methods_and_their_schemas(environment: LayeredEnvironment, tmp_path: Path) -> None:
    process = environment.run("python", TOOLKIT, folder=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    rows = {row["name"]: row for row in map(json.loads, process.stdout.splitlines())}
    assert rows["theseus"]["schema"] == registry.load("method", "theseus").Config.model_json_schema()
    assert rows.keys() == tomllib.loads((ROOT / "entry_points.toml").read_text())["model_compression.methods"].keys()


def test_a_toolkit_compresses(environment: LayeredEnvironment, tmp_path: Path, recipe: dict[str, Any]) -> None:
    job = {key: recipe[key] for key in ("predecessor", "successor", "task", "method")}
    (tmp_path / "job.json").write_text(json.dumps(job))
    process = environment.run("python", TOOLKIT, "job.json", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    record = json.loads(process.stdout)
    assert record == json.loads((tmp_path / "successor" / "result.json").read_text())
    assert set(record) == Result.__required_keys__

    ours = compress(recipe | {"successor": str(tmp_path / "ours")})
    theirs, expected = (load_file(Path(folder) / "model.safetensors") for folder in (record["output"], ours["output"]))
    assert {name: value.tobytes() for name, value in theirs.items()} == {n: v.tobytes() for n, v in expected.items()}
    assert (record["before"], record["after"]) == (ours["before"], ours["after"])
    assert record["parameters"]["after"] == sum(value.size for value in theirs.values())


@pytest.mark.parametrize(
    ("section", "option", "line"),
    [
        ("method", {"schedule": {"name": "liner"}}, r"no schedule named 'liner' is installed: did you mean 'linear'\?"),
        ("method", {"name": "thesaurus"}, r"0 of methods are named 'thesaurus': there must be one"),
        ("method", {"successor_blocks": 0}, r"theseus: .*successor_blocks"),
    ],
)
def test_a_toolkit_tells_mistakes_from_defects(
    environment: LayeredEnvironment,
    tmp_path: Path,
    recipe: dict[str, Any],
    section: str,
    option: dict[str, Any],
    line: str,
) -> None:
    (tmp_path / "job.json").write_text(json.dumps(recipe | {section: recipe[section] | option}))
    process = environment.run("python", TOOLKIT, "job.json", folder=tmp_path)
    assert process.returncode == 1
    assert re.search(line, process.stderr, re.DOTALL)
    assert "Traceback" not in process.stderr
    assert not Path(recipe["successor"]).exists()


def test_the_page_can_be_run(
    environment: LayeredEnvironment, tmp_path: Path, predecessor: Path, reviews: dict[str, Any]
) -> None:
    (tmp_path / "predecessor").symlink_to(predecessor)
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").symlink_to(reviews[split])
    last = """
rates = [Sudden(Sudden.Config()).rate_at(step, 4) for step in range(4)]
record = Longer(Longer.Config(training={"max_steps": 4})).compress("predecessor", "longer", task)
print(rates, Mistake.mendable, record["kind"], record["training"]["phases"][0]["steps"])
"""
    (tmp_path / "page.py").write_text("\n".join([*snippets("python"), last]))
    process = environment.run_warm("python", "page.py", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    *said, last = process.stdout.splitlines()
    assert f"theseus of theseus-plugin {version('theseus-plugin')}" in said
    assert last == "[0.5, 0.5, 1.0, 1.0] True longer 4"
    assert json.loads((tmp_path / "successor" / "config.json").read_text())["num_hidden_layers"] == 3


def test_the_page_tells_all() -> None:
    assert names_in_table("entry-point group") == set(registry.GROUPS.values())
    assert names_in_table("key") == Result.__required_keys__ | Result.__optional_keys__
    assert names_in_table("attribute") == {field.name for field in dataclasses.fields(TaskData)}
    [registered] = snippets("toml")
    assert list(tomllib.loads(registered)["project"]["entry-points"]) == [registry.GROUPS["schedule"]]


class _Options(BaseModel):
    rate: float = 0.5


class _Half(Schedule):
    """As the contract's classes want it: no constructor."""

    name, summary, Config = "half", "always the same", _Options

    def rate_at(self, step: int, total: int) -> float:
        return self.config.rate


class _Own(_Half):
    def __init__(self, options: _Options) -> None:
        self.config = options


class _Before(_Half):
    def __init__(self, options: _Options) -> None:
        super().__init__()
        self.config = options


class _After(_Half):
    def __init__(self, options: _Options) -> None:
        self.config = options
        super().__init__()


class _Through(_Half):
    def __init__(self, options: _Options) -> None:
        super().__init__(options)


@pytest.mark.parametrize("kind", [_Half, _Own, _Before, _After, _Through])
def test_a_plugin_keeps_its_options_with_a_constructor_of_its_own_or_without(kind: Any) -> None:
    made = kind(_Options(rate=0.25))
    assert made.rate_at(0, 1) == 0.25
    assert as_recipe(made) == {"name": "half", "rate": 0.25}


class _Base:
    """A third party's own base class, of which the contract's classes know nothing."""

    def __init__(self, options: _Options, *more: str) -> None:
        self.config, self.more = options, more


class _Mixed(Evaluator, _Base):
    """Its constructor is that of its second base."""

    name, summary, Config = "mixed", "of two bases", _Options

    def evaluate(self, models: Any, task: Any) -> list[dict[str, Any]]:
        return []


class _Handing(_Mixed):
    def __init__(self, options: _Options) -> None:
        super().__init__(options, "handed on")


class _Created(Evaluator):
    """Keeps its options when it is created, behind a name that cannot be set."""

    name, summary, Config = "created", "without a constructor", _Options

    def __new__(cls, options: _Options) -> Any:
        made = super().__new__(cls)
        made.kept = options
        return made

    @property
    def config(self) -> Any:
        return self.kept

    def evaluate(self, models: Any, task: Any) -> list[dict[str, Any]]:
        return []


class _Scheduled(_Half, _Base):
    """A schedule keeps its options itself, whatever other bases it has."""


@pytest.mark.parametrize(
    ("kind", "more"), [(_Mixed, ()), (_Handing, ("handed on",)), (_Created, None), (_Scheduled, None)]
)
def test_the_contracts_classes_stand_in_the_way_of_no_other_base(kind: Any, more: Any) -> None:
    made = kind(_Options(rate=0.25))
    assert made.config.rate == 0.25
    assert getattr(made, "more", None) == more


def test_what_a_plugin_without_a_constructor_cannot_take_is_refused() -> None:
    with pytest.raises(TypeError):
        _Half(_Options(), 1)
