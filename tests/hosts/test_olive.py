"""Real runs of Microsoft Olive in processes of their own, on a tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import write_reviews

pytest.importorskip("olive", reason="pip install 'theseus-plugin[olive]'")

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
        return {}
"""


def add_distribution(folder: Path, version: str = "1.2") -> Path:
    """A distribution `acme` that registers the method `cut-out`, as pip would leave it; gives `folder`."""
    metadata = folder / "acme.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text("[model_compression.methods]\ncut-out = acme_cutting:Halving\n")
    (folder / "acme_cutting.py").write_text(HALVING)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("olive")


@pytest.fixture(scope="module")
def acme(folder: Path) -> Path:
    return add_distribution(folder / "acme")


def run(folder: Path, acme: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of this environment, with the distribution `acme` installed."""
    program = Path(sys.executable).with_name(command[0])
    variables = {"CI": "1", "PYTHONPATH": str(acme), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def merged(folder: Path, acme: Path) -> Path:
    """The file that our command writes."""
    path = folder / "merged.json"
    ran = run(folder, acme, "theseus-plugin", "olive-config", str(path))
    assert ran.returncode == 0, ran.stderr
    assert "TheseusCompression" in ran.stdout
    return path


def olive(folder: Path, acme: Path, merged: Path, predecessor: Path, **config: Any) -> Path:
    """`olive run` in a folder of its own; gives that, with the output in `out`."""
    folder.mkdir()
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
    ran = run(folder, acme, *command)
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


def nodes(output: Path, file: str) -> list[dict[str, Any]]:
    """Olive's own record of the models of a run, the input model first."""
    return list(json.loads((output / file).read_text())["nodes"].values())


def model_path(node: dict[str, Any]) -> Path:
    return Path(node["model_config"]["config"]["model_path"])


def test_our_pass_then_olives_own_conversion_and_quantisation(
    folder: Path, acme: Path, merged: Path, predecessor: Path, reviews: dict[str, Any]
) -> None:
    passes = {
        "theseus": {"type": "TheseusCompression", "task": reviews, "successor_blocks": 2, "training": TRAINING},
        "onnx": {"type": "OnnxConversion", "target_opset": 17},
        "int8": {"type": "OnnxDynamicQuantization"},
    }
    scores = scoring(predecessor, reviews["validation"])
    ran = olive(folder / "chain", acme, merged, predecessor, passes=passes, **scores)
    print(*(p.relative_to(ran) for p in ran.rglob("*")), sep="\n")
    print(json.dumps(nodes(ran / "out", "output_footprint.json"), indent=1)[:20000])
    print((ran / "out/metrics.json").read_text())
    raise AssertionError
