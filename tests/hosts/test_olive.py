"""Real runs of Microsoft Olive in processes of their own, on a tiny model."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from tests.patience import finished
from tests.stock_process import StockProcess
from theseus_plugin import UserError, compress
from theseus_plugin.cli import app
from theseus_plugin.methods.replacing.config import TheseusConfig

os.environ["CI"] = "1"  # no telemetry, from the import on
pytest.importorskip("olive", reason="pip install 'theseus-plugin[olive]'")

ENTRY_POINTS = tomllib.loads((Path(__file__).parents[2] / "entry_points.toml").read_text())
METHODS = list(ENTRY_POINTS["model_compression.methods"])
"""Our own, whatever they are."""
CHAIN = ("TheseusCompression", "OnnxConversion", "OnnxDynamicQuantization")
QUANTISATION = {
    "precision": "int8",
    "per_channel": False,
    "reduce_range": False,
    "quant_preprocess": True,
    "weight_symmetric": False,
}
"""Olive searches over what is not given."""
TRAINING = {"max_steps": 3, "batch_size": 8, "eval_steps": 3, "learning_rate": 1e-3, "precision": "fp32", "seed": 3}

HALVING = """
from pydantic import BaseModel, Field


class Config(BaseModel):
    keep: int = Field(2, ge=2, description="Of so many blocks one is kept", json_schema_extra={"search": [2, 3]})


class Halving:
    name = "cut-out"
    summary = "keeps every so-manieth block, untrained"
    Config = Config

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
        }
"""


def add_distribution(folder: Path, version: str = "1.2", name: str = "acme") -> Path:
    """A distribution that registers the method `cut-out`, as pip would leave it; gives `folder`."""
    metadata = folder / f"{name}.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text("[model_compression.methods]\ncut-out = acme_cutting:Halving\n")
    (folder / "acme_cutting.py").write_text(HALVING)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("olive")


@pytest.fixture(scope="module")
def acme(folder: Path) -> Path:
    return add_distribution(folder / "acme")


def run(folder: Path, acme: Path, *command: str, stock: StockProcess | None = None) -> subprocess.CompletedProcess[str]:
    """A command of this environment, with the distribution `acme` installed; with `stock` in a fork of that."""
    program = str(Path(sys.executable).with_name(command[0]))
    places = [str(acme), str(Path(__file__).parents[2])]
    variables = {"CI": "1", "PYTHONPATH": os.pathsep.join(places), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    if stock is not None:
        return stock.run(
            [program, *command[1:]], path=[*places, *sys.path], folder=folder, variables=os.environ | variables
        )
    return finished([program, *command[1:]], cwd=folder, env=os.environ | variables)


@pytest.fixture
def with_acme(acme: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `acme` installed in this process."""
    monkeypatch.syspath_prepend(str(acme))
    yield
    sys.modules.pop("acme_cutting", None)


@pytest.fixture(scope="module")
def merged(folder: Path, acme: Path) -> Path:
    """The file that our command writes with `acme` installed."""
    path = folder / "merged.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(acme))
        said = CliRunner().invoke(app, ["olive-config", str(path), "--json"], catch_exceptions=False)
        assert "acme_cutting" not in sys.modules, "listing imports no plugin"
    expected = [
        "ModelCompression",
        *sorted(["CutOutCompression", *(f"{name.capitalize()}Compression" for name in METHODS)]),
    ]
    assert json.loads(said.stdout) == {"output": str(path), "passes": expected}
    return path


def olive(
    folder: Path, acme: Path, merged: Path, predecessor: Path, stock: StockProcess | None = None, **config: Any
) -> Path:
    """`olive run` in a folder of its own; gives that, with the output in `out`."""
    folder.mkdir(exist_ok=True)
    system = {"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}
    content = {
        "input_model": {"type": "HfModel", "model_path": str(predecessor), "task": "text-classification"},
        "systems": {"local": {"type": "LocalSystem", "accelerators": [system]}},
        "host": "local",
        "target": "local",
        "evaluate_input_model": False,
        "output_dir": "out",
        **config,
    }
    (folder / "run.json").write_text(json.dumps(content))
    command = ["olive", "run", "--config", "run.json", "--package-config", str(merged), "--disable_telemetry"]
    ran = run(folder, acme, *command, stock=stock)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return folder


def scoring(predecessor: Path, validation: str) -> dict[str, Any]:
    """The sections of a run that measure accuracy and latency of ONNX models."""
    data = {
        "name": "validation",
        "type": "HuggingfaceContainer",
        "load_dataset_config": {"data_name": "csv", "data_files": validation, "split": "train"},
        "pre_process_data_config": {
            "input_cols": ["text"],
            "label_col": "label",
            "model_name": str(predecessor),
            "task": "text-classification",
            "max_length": 32,
            "padding": "max_length",
        },
        "dataloader_config": {"batch_size": 1},
    }
    accuracy = {"name": "accuracy_score", "priority": 1, "metric_config": {"task": "multiclass", "num_classes": 2}}
    latency = {"name": "avg", "priority": 2, "metric_config": {"warmup_num": 2, "repeat_test_num": 5}}
    metrics = [
        {"name": "accuracy", "type": "accuracy", "data_config": "validation", "sub_types": [accuracy]},
        {"name": "latency", "type": "latency", "data_config": "validation", "sub_types": [latency]},
    ]
    return {
        "data_configs": [data],
        "evaluators": {"scores": {"type": "OnnxEvaluator", "metrics": metrics}},
        "evaluator": "scores",
    }


def models(folder: Path) -> list[dict[str, Any]]:
    """Olive's own record of the models of a run, in the order in which they were made, the input model first."""
    return list(json.loads((folder / "out" / "footprint.json").read_text()).values())


def model_path(record: dict[str, Any]) -> Path:
    return Path(record["model_config_data"]["config"]["model_path"])


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def encoded(predecessor: Path, validation: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The validation set as arrays of 32 columns, and its labels."""
    from transformers import AutoTokenizer

    with open(validation, newline="") as file:
        rows = list(csv.DictReader(file))
    tokenizer = AutoTokenizer.from_pretrained(predecessor)
    texts = [row["text"] for row in rows]
    inputs = tokenizer(texts, padding="max_length", max_length=32, truncation=True, return_tensors="np")
    return dict(inputs), np.array([int(row["label"]) for row in rows])


def onnx_logits(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What plain ONNX Runtime makes of a file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {given.name: inputs[given.name] for given in session.get_inputs()})[0]


def torch_logits(folder: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits.numpy()


def blocks(folder: Path) -> set[int]:
    """The blocks whose weights are in a checkpoint."""
    names = load_file(folder / "model.safetensors")
    return {int(name.split(".")[3]) for name in names if name.startswith("bert.encoder.layer.")}


SCHEDULES = [{"name": "constant", "rate": rate} for rate in (0.3, 0.9)]


@pytest.fixture(scope="module")
def search(
    folder: Path, acme: Path, merged: Path, predecessor: Path, reviews: dict[str, Any], stock_process: StockProcess
) -> Path:
    """A search over our replacing rate, with Olive's own conversion, quantisation and metrics."""
    theseus = {"task": reviews, "successor_blocks": 2, "schedule": SCHEDULES, "training": TRAINING}
    passes = {
        "theseus": {"type": "TheseusCompression", **theseus},
        "onnx": {"type": "OnnxConversion", "target_opset": 17},
        "int8": {"type": "OnnxDynamicQuantization", **QUANTISATION},
    }
    strategy = {"execution_order": "joint", "sampler": "sequential"}
    scores = scoring(predecessor, reviews["validation"])
    config = {"passes": passes, "search_strategy": strategy, **scores}
    return olive(folder / "search", acme, merged, predecessor, stock_process, **config)


def made_by(folder: Path, name: str) -> list[dict[str, Any]]:
    """The models of one pass, one for each rate."""
    made = [model for model in models(folder) if model["from_pass"] == name.lower()]
    assert len(made) == 2
    return made


def test_olive_searches_over_the_replacing_rate(search: Path) -> None:
    successors = made_by(search, "TheseusCompression")
    assert [model["pass_run_config"]["schedule"] for model in successors] == SCHEDULES
    results = [read(model_path(model) / "result.json") for model in successors]
    assert [result["recipe"]["method"]["schedule"]["rate"] for result in results] == [0.3, 0.9]
    one, other = (load_file(model_path(model) / "model.safetensors") for model in successors)
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_our_pass_trains_what_compress_does(search: Path, recipe: dict[str, Any]) -> None:
    recipe["method"] = {"name": "theseus", "successor_blocks": 2, "schedule": SCHEDULES[1], "training": TRAINING}
    compress(recipe)
    ours, expected = model_path(made_by(search, "TheseusCompression")[1]), Path(recipe["successor"])
    assert blocks(ours) == {0, 1}
    assert read(ours / "config.json") == read(expected / "config.json")
    weights, wanted = load_file(ours / "model.safetensors"), load_file(expected / "model.safetensors")
    assert weights.keys() == wanted.keys()
    assert all(np.array_equal(weights[name], wanted[name]) for name in wanted)


def test_olives_own_passes_follow(search: Path, predecessor: Path, reviews: dict[str, Any]) -> None:
    inputs, _ = encoded(predecessor, reviews["validation"])
    chains = zip(*(made_by(search, name) for name in CHAIN), strict=True)
    for successor, converted, quantised in (map(model_path, chain) for chain in chains):
        wanted = torch_logits(successor, inputs)
        assert np.abs(onnx_logits(converted, inputs) - wanted).max() < 1e-4
        assert 0 < np.abs(onnx_logits(quantised, inputs) - wanted).max() < 0.25 * wanted.std()


def test_olives_metrics_and_pareto_frontier(search: Path, predecessor: Path, reviews: dict[str, Any]) -> None:
    inputs, labels = encoded(predecessor, reviews["validation"])
    points, logits = {}, {}
    for model in made_by(search, "OnnxDynamicQuantization"):
        name = model["model_id"]
        metrics = {metric: found["value"] for metric, found in model["metrics"]["value"].items()}
        logits[name] = onnx_logits(model_path(model), inputs)
        accuracy = float((logits[name].argmax(1) == labels).mean())
        assert metrics["accuracy-accuracy_score"] == pytest.approx(accuracy)
        assert metrics["latency-avg"] > 0
        points[name] = (metrics["accuracy-accuracy_score"], -metrics["latency-avg"])
    frontier = {
        name
        for name, point in points.items()
        if not any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points.values())
    }
    assert {model["model_id"] for model in models(search) if model["is_pareto_frontier"]} == frontier
    chosen = onnx_logits(search / "out" / "model.onnx", inputs)
    assert any(np.array_equal(chosen, logits[name]) for name in frontier)


def test_olives_cache_knows_the_task_in_full_and_the_versions(search: Path, reviews: dict[str, Any]) -> None:
    run = made_by(search, "TheseusCompression")[0]["pass_run_config"]
    assert run["task"] == {**run["task"], **reviews}
    assert run["task"]["metrics"] == ["accuracy"], "defaults, too"
    assert run["cache_key"] == {"folder": str(search), "acme": "1.2", "theseus-plugin": version("theseus-plugin")}


@pytest.mark.chain
def test_a_third_partys_method_and_two_processes_in_one_run(
    folder: Path, acme: Path, merged: Path, predecessor: Path, reviews: dict[str, Any]
) -> None:
    """In a folder where things lie that are called as the plugins are: Olive takes their names for paths."""
    for name in ("theseus", "linear"):
        (folder / "others" / name).mkdir(parents=True)
    method = {"successor_blocks": 1, "schedule": {"name": "linear"}, "training": TRAINING}
    passes = {
        "cut": {"type": "CutOutCompression", "task": reviews, "keep": 3},
        "train": {"type": "ModelCompression", "method": "theseus", "task": reviews, "options": method, "processes": 2},
    }
    ran = olive(folder / "others", acme, merged, predecessor, passes=passes)

    cut, trained = map(model_path, models(ran)[1:])
    before, after = load_file(predecessor / "model.safetensors"), load_file(cut / "model.safetensors")
    assert blocks(cut) == {0, 1}
    kept = {name: name.replace("layer.1.", "layer.3.") for name in after}
    assert all(np.array_equal(after[name], before[old]) for name, old in kept.items())
    assert (cut / "tokenizer_config.json").is_file(), "Olive's side files"

    result = read(trained / "result.json")
    assert result["environment"]["processes"] == 2
    assert Path(result["model"]) == cut
    assert blocks(trained) == blocks(ran / "out" / "model") == {0}


def pass_of(name: str, **config: Any) -> Any:
    from olive.passes.olive_pass import create_pass_from_dict

    from theseus_plugin.hosts import olive as host

    return create_pass_from_dict(getattr(host, name), config, disable_search=True)


def input_model(folder: Path) -> Any:
    from olive.model import HfModelHandler

    return HfModelHandler(str(folder), task="text-classification")


def test_olives_own_passes_stay_as_they_are(merged: Path) -> None:
    from olive.package_config import OlivePackageConfig

    theirs, content = read(Path(OlivePackageConfig.get_default_config_path())), read(merged)
    assert content["extra_dependencies"] == theirs["extra_dependencies"]
    ours = {name: entry for name, entry in content["passes"].items() if name not in theirs["passes"]}
    assert {**theirs["passes"], **ours} == content["passes"]
    needs = {name: entry["module_dependencies"] for name, entry in ours.items()}
    assert needs == {
        "ModelCompression": ["theseus-plugin"],
        "CutOutCompression": ["acme", "theseus-plugin"],
        **{f"{method.capitalize()}Compression": ["theseus-plugin"] for method in METHODS},
    }


def test_each_option_is_a_parameter() -> None:
    from olive.hardware import DEFAULT_CPU_ACCELERATOR

    from theseus_plugin.hosts.olive import TheseusCompression  # type: ignore[attr-defined]

    parameters = TheseusCompression.default_config(DEFAULT_CPU_ACCELERATOR)
    assert parameters.keys() == {*TheseusConfig.model_fields, "task", "processes", "cache_key"}
    for name, option in TheseusConfig.model_fields.items():
        assert option.description in parameters[name].description
    assert parameters["mixing"].default_value == "drawn"
    assert parameters["predecessor_dropout"].type_ is bool
    assert parameters["successor_blocks"].type_ == int | dict
    assert {"name": "constant", "rate": 0.5} in parameters["schedule"].search_defaults.get_support()
    searched = [name for name, parameter in parameters.items() if parameter.search_defaults]
    assert searched == ["schedule"], "others only where the user says so"


def test_the_parameters_in_the_docs_exist() -> None:
    from olive.hardware import DEFAULT_CPU_ACCELERATOR
    from olive.package_config import OlivePackageConfig

    from theseus_plugin.hosts.olive import package_config

    page = (Path(__file__).parents[2] / "docs" / "olive.md").read_text()
    run, search = (json.loads(f"{{{block}}}" if block[0] != "{" else block) for block in json_blocks(page))
    packages = OlivePackageConfig.model_validate(package_config())
    for step in (*run["passes"].values(), *search["passes"].values()):
        parameters = packages.import_pass_module(step["type"]).default_config(DEFAULT_CPU_ACCELERATOR)
        assert step.keys() - {"type"} <= parameters.keys()


def json_blocks(page: str) -> list[str]:
    return [part.partition("```")[0].strip() for part in page.split("```json")[1:]]


def test_a_new_version_of_a_plugin_is_another_run_to_olives_cache(
    with_acme: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: Path, reviews: dict[str, Any]
) -> None:
    old = pass_of("CutOutCompression", task=reviews).config.to_json()
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(acme)])
    monkeypatch.syspath_prepend(str(add_distribution(tmp_path, "1.3")))
    new = pass_of("CutOutCompression", task=reviews).config.to_json()
    assert (old.pop("cache_key")["acme"], new.pop("cache_key")["acme"]) == ("1.2", "1.3")
    assert old == new


def test_the_task_may_stand_in_a_recipe(tmp_path: Path, recipe: dict[str, Any], reviews: dict[str, Any]) -> None:
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    named = pass_of("ModelCompression", task=str(tmp_path / "recipe.yaml"), method="theseus")
    assert named.config.task == pass_of("ModelCompression", task=reviews, method="theseus").config.task


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"sucessor_blocks": 2}, ["unknown key 'sucessor_blocks': did you mean 'successor_blocks'?"]),
        ({"successor_blocks": None}, ["method.successor_blocks is missing"]),
        ({"training": {"epoch": 2}}, ["unknown key 'method.training.epoch': did you mean 'epochs'?"]),
        ({"schedule": {"name": "linea"}}, ["no schedule named 'linea' is installed: did you mean 'linear'?"]),
        ({"task": {"name": "text-clasification"}}, ["did you mean 'text-classification'?"]),
        ({"task": "nowhere.yaml"}, ["nowhere.yaml: cannot read it"]),
        ({"processes": 0}, ["processes", "greater than or equal to 1"]),
    ],
)
def test_wrong_parameters_are_told_before_anything_runs(
    change: dict[str, Any], parts: list[str], reviews: dict[str, Any]
) -> None:
    from olive.hardware import DEFAULT_CPU_ACCELERATOR

    with pytest.raises(ValueError) as caught:
        made = pass_of("TheseusCompression", **{"task": reviews, "successor_blocks": 2} | change)
        made.validate_config(made.config, DEFAULT_CPU_ACCELERATOR)
    for part in parts:
        assert part in str(caught.value)


def test_the_models_that_it_takes(search: Path, predecessor: Path, reviews: dict[str, Any], tmp_path: Path) -> None:
    from olive.model import HfModelHandler, ONNXModelHandler

    made = pass_of("TheseusCompression", task=reviews, successor_blocks=2)
    with pytest.raises(ValueError, match="takes a model of type HfModel, not ONNXModelHandler"):
        made.run(ONNXModelHandler(str(search / "out" / "model.onnx")), str(tmp_path / "out"))
    adapted = HfModelHandler(str(predecessor), task="text-classification", adapter_path=str(tmp_path))
    with pytest.raises(ValueError, match="MergeAdapterWeights"):
        made.run(adapted, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.chain
def test_what_the_processes_say_is_the_error(predecessor: Path, reviews: dict[str, Any], tmp_path: Path) -> None:
    options = {"successor_blocks": 2, "training": {"epoch": 1}}
    made = pass_of("TheseusCompression", task=reviews, processes=2, **options)
    with pytest.raises(ValueError, match=r"^unknown key 'method.training.epoch': did you mean 'epochs'\?$"):
        made.run(input_model(predecessor), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_stopped_by_a_signal_olive_ends_and_the_next_run_goes_on(
    predecessor: Path, reviews: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from theseus_plugin.training import loop

    evaluate = loop.evaluate

    def interrupted(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*given)

    training = TRAINING | {"max_steps": 4, "eval_steps": 2}
    made = pass_of("TheseusCompression", task=reviews, successor_blocks=2, training=training)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(loop, "evaluate", interrupted)
        made.run(input_model(predecessor), str(tmp_path / "models"))
    assert caught.value.code == 128 + signal.SIGTERM
    (tmp_path / "models").mkdir()  # as Olive does
    handler = made.run(input_model(predecessor), str(tmp_path / "models"))
    assert read(tmp_path / "models" / "result.json")["training"]["resumed_at"] == [3]
    assert handler.get_hf_model_config().num_hidden_layers == 2


def test_two_methods_of_one_pass_are_refused(
    acme: Path, with_acme: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from theseus_plugin.hosts.olive import package_config

    points = add_distribution(tmp_path, name="twin") / "twin.dist-info" / "entry_points.txt"
    points.write_text("[model_compression.methods]\ncut_out = acme_cutting:Halving\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="'cut-out' and 'cut_out' would both be Olive's CutOutCompression"):
        package_config()


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["olive-config", str(tmp_path / "nowhere" / "merged.json")])
    assert isinstance(said.exception, UserError)
    assert "cannot write" in str(said.exception)
