"""`optimum-cli theseus` from our wheel, beside the real Optimum."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

import theseus_plugin
from tests.environments import ROOT, LayeredEnvironment
from tests.stock_process import StockProcess

Run = Callable[..., subprocess.CompletedProcess[str]]

HALVING = """
from pydantic import BaseModel

class Halving:
    name = "halving"
    summary = "keeps every other block"

    class Config(BaseModel):
        keep: int = 2

    def __init__(self, config):
        self.config = config

    def compress(self, predecessor, successor, task):
        from transformers import AutoModelForSequenceClassification
        model = AutoModelForSequenceClassification.from_pretrained(predecessor)
        model.bert.encoder.layer = model.bert.encoder.layer[:: self.config.keep]
        model.config.num_hidden_layers = len(model.bert.encoder.layer)
        model.save_pretrained(successor)
        return {
            "kind": self.name, "model": predecessor, "output": successor, "metric": "accuracy", "lower_is_better": [],
            "before": {}, "after": {}, "parameters": {}, "recipe": {}, "training": {}, "environment": {},
            "keep": self.config.keep,
        }
"""
METADATA = "Metadata-Version: 2.1\nName: somebody-elses\nVersion: 7.0\n"
ENTRY_POINTS = "[model_compression.methods]\nhalving = somebody_elses:Halving\n"


@pytest.fixture(scope="module")
def with_optimum(
    wheel: Path, stock_process: StockProcess, tmp_path_factory: pytest.TempPathFactory
) -> LayeredEnvironment:
    """Our wheel, Optimum, and a distribution of somebody else's with a method."""
    environment = LayeredEnvironment(tmp_path_factory.mktemp("optimum"), wheel, "optimum", stock=stock_process)
    (environment.packages / "somebody_elses.py").write_text(HALVING)
    record = environment.packages / "somebody_elses-7.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(METADATA)
    (record / "entry_points.txt").write_text(ENTRY_POINTS)
    return environment


@pytest.fixture
def optimum_cli(with_optimum: LayeredEnvironment, tmp_path: Path) -> Run:
    """Optimum's command; what trains runs in a process that has imported what is neither Optimum's nor ours."""

    def run(*arguments: str, pythonpath: Path | None = None) -> subprocess.CompletedProcess[str]:
        heavy = "compress" in arguments or "env" in arguments
        start = with_optimum.run_warm if heavy else with_optimum.run
        return start("optimum-cli", *arguments, folder=tmp_path, pythonpath=pythonpath)

    return run


@pytest.fixture
def write_recipe(tmp_path: Path, recipe: dict[str, Any]) -> Callable[[], str]:
    def write() -> str:
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(recipe))
        return str(path)

    return write


def listed_commands(process: subprocess.CompletedProcess[str]) -> list[str]:
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.partition("{")[2].partition("}")[0].split(",")


def test_optimum_lists_the_command(optimum_cli: Run) -> None:
    assert sorted(listed_commands(optimum_cli("--help"))) == ["env", "export", "theseus"]


def test_help_is_of_our_commands(optimum_cli: Run) -> None:
    shown = optimum_cli("theseus", "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith("Usage: optimum-cli theseus [OPTIONS] COMMAND")
    for command in ("bench", "compress", "export", "fit", "plugins"):
        assert f"\n  {command} " in shown.stdout
    shown = optimum_cli("theseus", "compress", "-h")
    assert shown.stdout.startswith("Usage: optimum-cli theseus compress [OPTIONS] RECIPE")
    assert "--resume" in shown.stdout


def test_it_lists_every_plugin_installed(optimum_cli: Run) -> None:
    rows = json.loads(optimum_cli("theseus", "plugins", "--json").stdout)
    origins = {row["name"]: (row["distribution"], row["version"]) for row in rows if row["kind"] == "method"}
    assert origins["theseus"] == ("theseus-plugin", theseus_plugin.__version__)
    assert origins["halving"] == ("somebody-elses", "7.0")


def test_it_compresses_as_our_own_command_does(
    optimum_cli: Run, write_recipe: Callable[[], str], recipe: dict[str, Any], tmp_path: Path
) -> None:
    """The options after the recipe are ours to read; the weights are those of the same run without Optimum."""
    told = optimum_cli("theseus", "compress", write_recipe(), "--set", "method.training.epochs=1", "--json")
    assert told.returncode == 0, told.stderr
    record = json.loads((tmp_path / "successor" / "result.json").read_text())
    assert json.loads(told.stdout) == record
    assert record["recipe"]["method"]["training"]["epochs"] == 1

    successor = AutoModelForSequenceClassification.from_pretrained(tmp_path / "successor")
    assert len(successor.bert.encoder.layer) == 3

    recipe["method"]["training"]["epochs"] = 1
    recipe["successor"] = str(tmp_path / "direct")
    assert theseus_plugin.compress(recipe)["after"] == record["after"]
    ours, direct = (load_file(tmp_path / name / "model.safetensors") for name in ("successor", "direct"))
    assert ours.keys() == direct.keys()
    assert all(weights.equal(direct[name]) for name, weights in ours.items())


def test_it_runs_a_method_of_somebody_elses(
    optimum_cli: Run, write_recipe: Callable[[], str], recipe: dict[str, Any], predecessor: Path, tmp_path: Path
) -> None:
    recipe["method"] = {"name": "halving", "keep": 3}
    told = optimum_cli("theseus", "compress", write_recipe(), "--json")
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert (record["kind"], record["keep"]) == ("halving", 3)
    before, after = load_file(predecessor / "model.safetensors"), load_file(tmp_path / "successor/model.safetensors")
    assert len({name for name in after if name.endswith("output.dense.weight") and "attention" not in name}) == 2
    for new, old in enumerate((0, 3)):
        name = "bert.encoder.layer.{}.output.dense.weight"
        assert after[name.format(new)].equal(before[name.format(old)])


def test_a_mistake_is_one_line_and_a_status(
    optimum_cli: Run, write_recipe: Callable[[], str], recipe: dict[str, Any], tmp_path: Path
) -> None:
    recipe["method"]["name"] = "theseuss"
    process = optimum_cli("theseus", "compress", write_recipe())
    assert process.returncode == 2
    assert process.stderr == "error: no method named 'theseuss' is installed: did you mean 'theseus'?\n"
    assert not (tmp_path / "successor").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["env"]])
def test_optimum_works_beside_a_broken_installation(optimum_cli: Run, tmp_path: Path, arguments: list[str]) -> None:
    broken = tmp_path / "broken" / "theseus_plugin"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('half\\nan update')")
    process = optimum_cli(*arguments, pythonpath=broken.parent)
    assert process.returncode == 0, process.stderr
    assert "theseus" in process.stdout if arguments == ["--help"] else version("transformers") in process.stdout

    process = optimum_cli("theseus", "plugins", pythonpath=broken.parent)
    assert process.returncode == 1
    line = "error: theseus-plugin cannot be imported (RuntimeError: half an update): reinstall it\n"
    assert process.stderr == line


def test_two_copies_on_the_path_are_one_command(optimum_cli: Run) -> None:
    """As where somebody works in a checkout and has the wheel too."""
    assert sorted(listed_commands(optimum_cli("--help", pythonpath=ROOT))) == ["env", "export", "theseus"]
