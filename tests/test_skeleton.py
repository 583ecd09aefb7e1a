"""What `new-plugin` writes, and `examples/plugin`: real distributions beside our wheel in a fresh environment."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.environments import ROOT, LayeredEnvironment
from tests.stock_process import StockProcess
from tests.tiny import save_tiny
from tests.toy_data import write_reviews
from theseus_plugin import UserError
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.skeleton import PLUGINS, TEMPLATE, write_skeleton

NAMES: dict[registry.Kind, str] = {
    "method": "my-method",
    "fitter": "gentle-fitter",
    "task": "every-other-2",
    "evaluator": "a-rather-long-name-for-an-evaluator",
    "schedule": "schedule",
}


@pytest.fixture(scope="module")
def skeletons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a skeleton of each kind."""
    return tmp_path_factory.mktemp("skeletons")


@pytest.fixture(scope="module")
def environment(
    wheel: Path, skeletons: Path, stock_process: StockProcess, tmp_path_factory: pytest.TempPathFactory
) -> LayeredEnvironment:
    """Our wheel, which writes the skeletons; then these and the example."""
    environment = LayeredEnvironment(tmp_path_factory.mktemp("plugins"), wheel, stock=stock_process)
    for kind, name in NAMES.items():
        written = environment.run("theseus-plugin", "new-plugin", name, "--kind", kind, folder=skeletons)
        assert written.returncode == 0, written.stderr
    environment.install(ROOT / "examples" / "plugin", *(skeletons / name for name in NAMES.values()))
    return environment


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a predecessor, examples, and a recipe for each of the runs below."""
    folder = tmp_path_factory.mktemp("work")
    classes = {"id2label": {0: "0", 1: "1"}, "label2id": {"0": 0, "1": 1}}
    save_tiny(folder / "predecessor", **classes)
    write_reviews(folder / "reviews.csv", 40, seed=1)
    task = {"name": "held-out", "file": "reviews.csv", "every": 4}
    training = {"max_steps": 4, "eval_steps": 1, "batch_size": 4, "precision": "fp32"}
    schedule = {"name": "step-wise", "base_rate": 0.4, "stairs": 2, "share": 0.5}
    methods: dict[str, dict[str, Any]] = {
        "cut": {"name": "every-other", "every": 3},
        "stairs": {"name": "theseus", "successor_blocks": 3, "schedule": schedule, "training": training},
    }
    for name, method in methods.items():
        recipe = {"predecessor": "predecessor", "successor": name, "task": task, "method": method}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def command(environment: LayeredEnvironment, folder: Path, *arguments: str) -> Any:
    process = environment.run_warm("theseus-plugin", *arguments, "--json", folder=folder)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_every_plugin_is_listed(environment: LayeredEnvironment, work: Path) -> None:
    rows = command(environment, work, "plugins", "--check")
    assert not [row for row in rows if row["problem"]]
    listed = {(row["distribution"], row["kind"], row["name"]) for row in rows}
    expected = {("acme-compression", kind, name) for kind, name in PLUGINS.items()}
    expected |= {(name, kind, name) for kind, name in NAMES.items()}
    assert {row for row in listed if row[0] != "theseus-plugin"} == expected


def test_the_example_compresses_with_its_method_and_its_task(environment: LayeredEnvironment, work: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    record = command(environment, work, "compress", "cut.yaml")
    assert record["training"]["kept"] == {"blocks": [0, 3]}
    with (work / "reviews.csv").open(encoding="utf-8") as file:
        held_out = list(csv.DictReader(file))[3::4]
    for folder, blocks, found in (("predecessor", 6, record["before"]), ("cut", 2, record["after"])):
        model = AutoModelForSequenceClassification.from_pretrained(work / folder)
        tokenizer = AutoTokenizer.from_pretrained(work / folder)
        right = [
            int(model(**tokenizer(row["text"], return_tensors="pt")).logits.argmax()) == int(row["label"])
            for row in held_out
        ]
        assert (model.config.num_hidden_layers, found) == (blocks, {"accuracy": sum(right) / 10})


def test_the_example_trains_with_its_schedule(environment: LayeredEnvironment, work: Path) -> None:
    record = command(environment, work, "compress", "stairs.yaml")
    assert [row["p"] for row in record["training"]["evaluations"]] == pytest.approx([0.4, 0.7, 1, 1])
    assert json.loads((work / "stairs" / "config.json").read_text())["num_hidden_layers"] == 3


def test_the_example_measures_with_its_evaluator(environment: LayeredEnvironment, work: Path) -> None:
    arguments = ("--task", "cut.yaml", "--evaluator", "flop-count", "--set", "flop-count.length=16")
    save_tiny(work / "shallow", layers=1)
    measured = command(environment, work, "bench", "predecessor", "shallow", *arguments)
    block = 4 * 16 * 32**2 + 2 * 16**2 * 32 + 2 * 16 * 32 * 64
    head = 32**2 + 32 * 2
    counts = [model["flop-count"]["flops"] for model in measured["models"]]
    assert counts == [2 * (6 * block + head), 2 * (block + head)]


def test_the_skeletons_pass_their_own_tests(environment: LayeredEnvironment, skeletons: Path) -> None:
    folders = [str(skeletons / name) for name in NAMES.values()]
    process = environment.run_warm("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders, folder=skeletons)
    assert process.returncode == 0, process.stdout
    tests = " ".join(file.read_text() for file in TEMPLATE.glob("tests/test_*.py")).count("def test_")
    assert f"{tests} passed" in process.stdout


def test_nothing_of_the_template_is_left_in_a_skeleton(environment: LayeredEnvironment, skeletons: Path) -> None:
    for kind, name in NAMES.items():
        files = {file.relative_to(skeletons / name): file for file in (skeletons / name).rglob("*.*") if file.is_file()}
        package = name.replace("-", "_")
        assert set(map(str, files)) == {
            *("pyproject.toml", "README.md", f"{package}/__init__.py", f"{package}/{kind}.py"),
            *("tests/conftest.py", f"tests/test_{kind}.py"),
        }
        texts = " ".join(file.read_text() for file in files.values()).replace(name, "")
        assert not re.search("acme|every-other|linear-probe|held-out|flop-count|step-wise", texts)
        assert len(re.findall(r"model_compression\.\w+s\"\]", files[Path("pyproject.toml")].read_text())) == 1


def test_the_skeletons_are_tidy(environment: LayeredEnvironment, skeletons: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    for name in NAMES.values():
        # by their own rules, then by ours
        for rules in ([], ["--config", str(ROOT / "pyproject.toml")]):
            for what in (["check"], ["format", "--check"]):
                arguments = [*ruff, *what, "--no-cache", *rules, "."]
                process = subprocess.run(arguments, cwd=skeletons / name, capture_output=True, text=True, check=False)
                assert process.returncode == 0, process.stdout


def test_the_example_asks_for_this_version() -> None:
    [ours] = re.findall(r'"(theseus-plugin[^"]*)"', (TEMPLATE / "pyproject.toml").read_text())
    major, minor, _ = Version(version("theseus-plugin")).release
    assert set(map(str, Requirement(ours).specifier)) == {f">={major}.{minor}", f"<{major}.{minor + 1}"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My_Method", "'My_Method' cannot name a distribution and its package: use lower-case letters and digits"),
        ("2nd", "'2nd' cannot name"),
        ("a--b", "'a--b' cannot name"),
        ("lambda", "'lambda' means something to Python itself"),
        ("json", "'json' means something to Python itself"),
        ("tests", "'tests' means something to Python itself"),
        ("theseus", "method 'theseus' is registered by 'theseus-plugin' already: choose another name"),
        ("torch", "a package 'torch' is installed already: choose another name"),
        ("taken", "taken exists already: choose another output"),
    ],
)
def test_a_name_that_cannot_be(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError) as caught:
        write_skeleton(name, "method", name)
    assert str(caught.value).startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_command_takes_a_folder_and_says_what_it_wrote(tmp_path: Path) -> None:
    theseus_plugin = [sys.executable, "-m", "theseus_plugin", "new-plugin"]
    made = subprocess.run([*theseus_plugin, "my-task", "--kind", "task", "--folder", tmp_path / "here", "--json"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    record = json.loads(made.stdout)
    assert (record["name"], record["kind"], record["folder"]) == ("my-task", "task", str(tmp_path / "here"))
    assert all((tmp_path / "here" / file).is_file() for file in record["files"])
    again = subprocess.run([*theseus_plugin, "my-task", "--folder", tmp_path / "here"],
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"error: {tmp_path}/here exists already: choose another output, or remove it first\n"
