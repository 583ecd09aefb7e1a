"""Blocks split over two CPU processes: what each holds, and that the weights are those of whole blocks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests import warm
from tests.patience import finished
from tests.tiny import save_tiny
from tests.toy_data import write_reviews
from tests.training.ranks import bytes_between_passes, parts_of_blocks

CONFIGURATIONS = Path(__file__).parents[2] / "examples" / "accelerate"
FSDP = [str(Path(sys.executable).with_name("accelerate")), "launch", "--config_file", str(CONFIGURATIONS / "fsdp.yaml")]


def test_blocks_split_over_processes_give_the_same_weights(
    still: Path, tmp_path: Path, reviews: dict[str, Any]
) -> None:
    """Against two processes that hold all, in both phases; interrupted and resumed, and asked for by Accelerate's
    configuration instead of the recipe, too.
    """
    task = reviews | {"train": str(write_reviews(tmp_path / "train.csv", 330, seed=4))}
    training = {"max_steps": 10, "batch_size": 8, "eval_steps": 10, "checkpoint_steps": 3, "learning_rate": 5e-4,
                "precision": "fp32", "gradient_accumulation": 2, "max_grad_norm": 0.5}  # fmt: skip
    recipe = {
        "predecessor": str(still),
        "task": task,
        "method": {"name": "theseus", "successor_blocks": 3, "training": training},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    split = "method.training.sharding=blocks"
    found = {}
    for name, more in [("whole", []), ("split", [split]), ("stopped", [split]), ("fsdp", [])]:
        records = tmp_path / f"{name}-records"
        records.mkdir()
        given = [str(tmp_path / "recipe.json"), records]
        more = [f"successor={tmp_path / name}", *more]
        if name == "fsdp":
            code = "from pathlib import Path\nfrom tests.training.ranks import parts_of_blocks\n"
            code += f"parts_of_blocks({given[0]!r}, Path({str(records)!r}), None, {more!r})\n"
            (tmp_path / "worker.py").write_text(f"import sys\nsys.path.insert(0, {os.getcwd()!r})\n{code}")
            environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
            warm.right(finished([*FSDP, str(tmp_path / "worker.py")], env=environment))
            continue
        if name == "stopped":
            for rank in warm.two_ranks(parts_of_blocks, *given, 5, more):
                assert rank.returncode == 1
                assert "stopped by SIGTERM" in rank.stderr
            more = [*more, "method.training.resume=true"]
        warm.right(*warm.two_ranks(parts_of_blocks, *given, None, more))
    for name in ("whole", "split", "stopped", "fsdp"):
        found[name] = json.loads((tmp_path / f"{name}-records" / "rank1.json").read_text())
    assert found["stopped"]["result"]["training"]["resumed_at"] == [6]
    for name in ("split", "fsdp"):
        assert found[name]["result"]["recipe"]["method"]["training"]["sharding"] == "blocks"
        for held, whole in found[name]["parts"].values():
            assert 0.4 < held / whole < 0.6
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in found}
    for other in ("split", "stopped", "fsdp"):
        apart = {
            name: float(np.abs(weights[other][name] - value).max())
            for name, value in weights["whole"].items()
            if not name.endswith("key.bias")
        }
        assert {name: distance for name, distance in apart.items() if distance > 1e-5} == {}
        assert found[other]["result"]["after"] == found["whole"]["result"]["after"]


def test_between_passes_a_process_holds_its_part_of_every_block(tmp_path: Path, reviews: dict[str, Any]) -> None:
    """Of predecessor, successor and teacher, with gradients and moments; the weights are those of whole blocks."""
    still = save_tiny(
        tmp_path / "model", layers=4, hidden_size=64, intermediate_size=512, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    training = {"max_steps": 6, "batch_size": 4, "eval_steps": 6, "checkpoint_steps": 6, "learning_rate": 5e-4,
                "precision": "fp32", "gradient_accumulation": 2}  # fmt: skip
    recipe = {
        "predecessor": str(still),
        "task": reviews,
        "method": {"name": "theseus", "successor_blocks": 2, "training": training},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    warm.right(*warm.two_ranks(bytes_between_passes, str(tmp_path / "recipe.json"), tmp_path))
    found = json.loads((tmp_path / "found.json").read_text())
    for name in ("theseus", "kd", "tinybert"):
        whole, split = (found[f"{name}-{sharding}"] for sharding in ("none", "blocks"))
        assert len(whole["held"]) == len(split["held"]) == 12
        shares = [part / all_ for part, all_ in zip(split["held"], whole["held"], strict=True)]
        assert max(shares) < 0.6, (name, shares)
        assert split["result"]["before"] == whole["result"]["before"]
        one, two = (load_file(Path(run_["result"]["output"]) / "model.safetensors") for run_ in (whole, split))
        apart = {weight: np.abs(two[weight] - one[weight]).max() for weight in one if not weight.endswith("key.bias")}
        assert {weight: distance for weight, distance in apart.items() if distance > 1e-5} == {}
