"""A folder in a method's own format, from `compress` to the table: the method is found as a third party's is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.seam import byte_weights
from tests.seam.byte_weights import STORE, TOLERANCE, ByteWeights
from tests.test_registry import install
from tests.tiny import save_tiny
from theseus_plugin import bench, compress, export, fit
from theseus_plugin.checkpoint import load_model, load_to_run
from theseus_plugin.cli import main
from theseus_plugin.contract import GraphPlan, GraphStage, Result
from theseus_plugin.errors import UserError
from theseus_plugin.measure.models import resolve
from theseus_plugin.onnx.convert import convert

CLASSIFIER = "AutoModelForSequenceClassification"
TEXTS = ["the film was good", "a bad movie", "good"]


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The distribution, on the path, which the processes that measure are given, too."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "other-bytes", "unused", None, {"byte-weights": "tests.seam.byte_weights:ByteWeights"})
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, reviews: dict[str, Any]) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bytes")
    training = {"max_steps": 4, "eval_steps": 4, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32"}
    return {
        "model": "",
        "predecessor": str(save_tiny(folder / "predecessor", layers=2)),
        "successor": str(folder / "successor"),
        "task": reviews,
        "method": {"name": "byte-weights", "training": training},
    }


@pytest.fixture(scope="module")
def made(recipe: dict[str, Any]) -> Result:
    return compress(recipe)


@pytest.fixture(scope="module")
def exported(made: Result) -> dict[str, Any]:
    return export(made["output"], f"{made['output']}-onnx")


@pytest.fixture(scope="module")
def benched(made: Result, exported: dict[str, Any]) -> list[dict[str, Any]]:
    """The graph and the folder, by all evaluators, as quickly as these go."""
    rule = dict.fromkeys(("settle_seconds", "min_seconds", "warmup_seconds", "task_examples"), 0)
    latency = {"shapes": ["1x8"], "rounds": 1, "max_runs": 1, "min_count": 1, **rule}
    evaluators: dict[str, Any] = {"accuracy": {}, "latency": latency, "size": {}, "memory": {"shape": "1x8"}}
    return list(bench([f"{made['output']}-onnx", made["output"]], evaluators=evaluators)["models"])


def logits_by_hand(folder: Path) -> np.ndarray:
    """Of a stock model that is given bytes times scales."""
    stock = AutoModelForSequenceClassification.from_pretrained(folder.parent / "predecessor").eval()
    weights, scales = load_file(folder / "model.safetensors"), load_file(folder / STORE)
    missing, unexpected = stock.load_state_dict(
        {name: tensor * scales[name] if name in scales else tensor for name, tensor in weights.items()}, strict=False
    )
    assert not [*missing, *unexpected]
    with torch.no_grad():
        return np.asarray(stock(**_batch(folder.parent / "predecessor", "pt")).logits)


def _batch(folder: Path, kind: str) -> dict[str, Any]:
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors=kind)
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def test_the_folder_is_what_its_method_writes_and_reads(made: Result) -> None:
    folder = Path(made["output"])
    weights = load_file(folder / "model.safetensors")
    assert weights["classifier.weight"].dtype == torch.int8
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(made))
    assert made["format"] == {"method": "byte-weights", "precision": "int8-rows"}
    assert "partition" not in made["training"]
    card = (folder / "README.md").read_text()
    assert "in int8-rows" in card
    assert f'name="byte-weights")\nmodel = method.load().load("path/to/this/folder", "{CLASSIFIER}")' in card
    module = load_to_run(str(folder), CLASSIFIER)
    assert (module.training, module.name_or_path) == (False, str(folder))
    with torch.no_grad():
        np.testing.assert_allclose(module(**_batch(folder, "pt")).logits, logits_by_hand(folder), atol=1e-6)


def test_size_counts_all_files_and_the_parameters_of_the_record(made: Result, benched: list[dict[str, Any]]) -> None:
    folder, size = Path(made["output"]), benched[1]["size"]
    parameters = load_model(str(folder.parent / "predecessor"), CLASSIFIER).num_parameters()
    assert size["parameters"] == made["parameters"]["after"] == parameters
    assert size["bytes"] == sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    scales = sum(tensor.numel() for tensor in load_file(folder / STORE).values())
    assert sum(size["parameters_by_dtype"].values()) == parameters + scales
    assert size["parameters_by_dtype"]["int8"] > 0


def test_it_is_benched_beside_its_graph_in_processes_that_find_the_method(
    made: Result, benched: list[dict[str, Any]]
) -> None:
    assert [one["precision"] for one in benched] == ["int8-matrices", "int8-rows"]
    assert benched[1]["accuracy"]["metrics"] == pytest.approx(made["after"])
    assert all(one["latency"]["shapes"]["1x8"]["median_ms"] > 0 for one in benched)
    assert all(one["memory"]["loaded_bytes"] > 0 for one in benched)


def test_both_precisions_stand_in_the_table(
    made: Result, exported: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", made["output"], f"{made['output']}-onnx", "--evaluator", "size"])
    [row] = [line for line in capfd.readouterr().out.splitlines() if "precision" in line]
    assert not ended.value.code
    assert "int8-rows" in row
    assert "int8-matrices" in row


def test_its_graph_has_its_stage_its_tolerance_and_its_precision(made: Result, exported: dict[str, Any]) -> None:
    folder = Path(f"{made['output']}-onnx")
    assert [stage["name"] for stage in exported["stages"]][-1] == "matrices of bytes"
    assert (exported["precision"], exported["tolerance"]) == ("int8-matrices", TOLERANCE)
    assert exported["format"] == made["format"]
    assert 1e-4 < exported["parity"]["largest_difference"] < TOLERANCE
    assert exported["nodes"]["DequantizeLinear"] >= 2
    said = {entry.key: entry.value for entry in onnx.load(folder / "model.onnx").metadata_props}
    assert (said["theseus.precision"], said["theseus.method"]) == ("int8-matrices", "byte-weights")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], _batch(folder, "np"))[0]
    np.testing.assert_allclose(logits, logits_by_hand(Path(made["output"])), atol=TOLERANCE)
    weights = [Path(made["output"], name) for name in ("model.safetensors", STORE)]
    assert exported["source"]["sha256"] == resolve(made["output"]).sha256
    assert resolve(made["output"]).files == tuple(weights)


def test_the_tolerance_of_the_user_counts(made: Result, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stage 'matrices of bytes': the ONNX model differs .* allowed 0\.0001"):
        export(made["output"], str(tmp_path / "onnx"), tolerance=1e-4)
    assert list(tmp_path.iterdir()) == []


def test_a_lower_precision_passes_the_gate_as_of_a_stock_checkpoint(made: Result, tmp_path: Path) -> None:
    record = export(made["output"], str(tmp_path / "onnx"), precision="int8-dynamic", max_drop=100)
    assert record["stages"][-1]["gate"]["before"] == pytest.approx(made["after"]["accuracy"], abs=0.1)
    assert record["precision"] == resolve(str(tmp_path / "onnx")).precision == "int8-dynamic"


def test_a_method_may_write_the_whole_graph(made: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(module: Any, batch: Any, file: Path, opset: int) -> None:
        assert (module.config.model_type, list(batch), opset) == ("bert", ["input_ids", "attention_mask"], 18)
        convert(module, batch, file, opset)

    monkeypatch.setattr(ByteWeights, "graph_plan", lambda folder: GraphPlan(write=write))
    record = export(made["output"], str(tmp_path / "onnx"), opset=18)
    assert [stage["name"] for stage in record["stages"]] == ["written"]
    assert (record["exporter"], record["precision"], record["tolerance"]) == ("byte-weights", "int8-rows", 1e-4)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({}, "its graph_plan gives a dict, no GraphPlan"),
        (GraphPlan(precision="8 bits"), "its graph is in '8 bits', which is no word for a precision"),
        (GraphPlan(tolerance=float("nan")), "its tolerance is nan, which is not above 0"),
        (GraphPlan([GraphStage("idle", lambda source, target: 0)]), "stage 'idle' found nothing to change"),
    ],
)
def test_a_plan_that_cannot_be_followed(
    made: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Any, says: str
) -> None:
    monkeypatch.setattr(ByteWeights, "graph_plan", lambda folder: plan)
    with pytest.raises(UserError, match=says):
        export(made["output"], str(tmp_path / "onnx"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_published_that_its_method_does_not_read_back(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = byte_weights.save
    for name, says in {
        STORE: r"method 'byte-weights' of distribution 'other-bytes' cannot load it",
        "model.safetensors": "wrote no model.safetensors",
    }.items():

        def lose(model: Any, folder: Path, weights: Any, name: str = name) -> None:
            save(model, folder, weights)
            (folder / name).unlink()

        monkeypatch.setattr(byte_weights, "save", lose)
        with pytest.raises(UserError, match=says):
            compress(recipe | {"successor": str(tmp_path / name)})
        assert not (tmp_path / name).exists()


def test_what_needs_the_parts_of_a_model_refuses_the_folder(
    made: Result, recipe: dict[str, Any], tmp_path: Path
) -> None:
    content = recipe | {"predecessor": made["output"], "successor": str(tmp_path / "again")}
    theseus = {"name": "theseus", "successor_blocks": 1, "training": recipe["method"]["training"]}
    says = r"is in a format of the method 'byte-weights' \(int8-rows\), which gives logits and nothing else"
    for section in (recipe["method"], theseus):
        with pytest.raises(UserError, match=says):
            compress(content | {"method": section})
    with pytest.raises(UserError, match=says):
        fit(content | {"model": made["output"], "predecessor": str(tmp_path / "again"), "fit": theseus["training"]})
    with pytest.raises(UserError, match=says):
        load_model(made["output"], "AutoModelForMaskedLM")
    assert list(tmp_path.iterdir()) == []
