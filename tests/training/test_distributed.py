"""Two real CPU processes under `accelerate launch` (rules 1, 3 and 7)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny

LAUNCH = [str(Path(sys.executable).with_name("accelerate")), "launch", "--num_processes", "2", "--cpu"]
TWO_RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(*command: str) -> str:
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


WORKER = """
import json, os, sys
from theseus_plugin.recipe import load_recipe
from theseus_plugin.replacing.switch import Switch
from theseus_plugin.training import run as training_run
from theseus_plugin.training.evaluation import evaluate
from theseus_plugin import compress

recipe, folder = load_recipe(sys.argv[1]), sys.argv[2]
record = {"draws": [], "modules": []}
set_draw = Switch.set

def spy(self, rate, micro_step):
    chosen = set_draw(self, rate, micro_step)
    record["draws"].append([rate, micro_step, chosen])
    return chosen

Switch.set = spy
result = compress(recipe)
record["result"] = result
with open(os.path.join(folder, f"rank{os.environ.get('RANK', '0')}.json"), "w") as file:
    json.dump(record, file)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, predecessor: Path, reviews: dict[str, Any]) -> dict[str, Any]:
    """The same run with one process of batch 16 and with two of batch 8: same examples in every step."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "worker.py").write_text(WORKER)
    records: dict[str, Any] = {}
    for name, batch_size in (("one", 16), ("two", 8)):
        training = {"max_steps": 10, "batch_size": batch_size, "eval_steps": 5, "learning_rate": 1e-3,
                    "precision": "fp32", "eval_batch_size": 4}  # fmt: skip
        recipe = {
            "predecessor": str(predecessor),
            "successor": str(folder / name),
            "task": reviews,
            "method": {
                "name": "theseus",
                "successor_blocks": 3,
                "schedule": {"name": "linear", "base_rate": 0.3, "slope": 0.1},
                "training": training,
            },
        }
        path = folder / f"{name}.yaml"
        path.write_text(json.dumps(recipe))
        (folder / f"{name}-records").mkdir()
        arguments = [str(folder / "worker.py"), str(path), str(folder / f"{name}-records")]
        run(*(TWO_RANKS if name == "two" else [sys.executable]), *arguments)
        ranks = sorted((folder / f"{name}-records").iterdir())
        records[name] = [json.loads(rank.read_text()) for rank in ranks]
    return records


def test_every_rank_makes_the_same_draws_and_so_does_one_process(runs: dict[str, Any]) -> None:
    assert len(runs["two"]) == 2
    assert runs["two"][0]["draws"] == runs["two"][1]["draws"] == runs["one"][0]["draws"]
    assert len({tuple(draw) for _, _, draw in runs["one"][0]["draws"]}) > 1


def test_the_rate_does_not_run_faster_with_two_processes(runs: dict[str, Any]) -> None:
    rates = [rate for rate, _, _ in runs["two"][0]["draws"]]
    assert rates == pytest.approx([0.3 + 0.1 * step for step in range(7)])


def test_metrics_count_each_example_once(runs: dict[str, Any]) -> None:
    """29 validation examples in batches of 4: the last round of two processes is padded with 3 duplicates."""
    one, two = runs["one"][0]["result"], runs["two"][0]["result"]
    assert runs["two"][0]["result"]["after"] == runs["two"][1]["result"]["after"]
    assert two["before"] == one["before"]
    correct = two["before"]["accuracy"] * 29
    assert correct == pytest.approx(round(correct))


def test_the_command_as_users_type_it(recipe: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    stdout = run(*LAUNCH, "-m", "theseus_plugin", "compress", str(path), "--json")
    printed = json.loads(stdout)
    assert printed["environment"]["processes"] == 2
    assert printed == json.loads((Path(recipe["successor"]) / "result.json").read_text())


def test_a_mistake_is_one_line_from_one_process(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["method"]["sucessor_phase"] = "all"
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    process = subprocess.run(
        [*LAUNCH, "-m", "theseus_plugin", "compress", str(path)], capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    assert process.stderr.count("unknown key 'method.sucessor_phase': did you mean 'successor_phase'?") == 1


def test_reduced_rows_of_both_processes_are_scored_as_of_one(tmp_path: Path, reviews: dict[str, Any]) -> None:
    """Perplexity over 29 texts in batches of 4, whose logits differ in length between the processes."""
    model = save_tiny(tmp_path / "model", head="MaskedLM")
    before = []
    for name, start in (("one", [sys.executable]), ("two", TWO_RANKS)):
        training = {"max_steps": 1, "batch_size": 4, "eval_batch_size": 4, "precision": "fp32"}
        recipe = {
            "predecessor": str(model),
            "successor": str(tmp_path / name),
            "task": {key: value for key, value in reviews.items() if key != "name"} | {"name": "masked-lm"},
            "method": {"name": "theseus", "successor_blocks": 3, "training": training},
        }
        (tmp_path / f"{name}.yaml").write_text(json.dumps(recipe))
        stdout = run(*start, "-m", "theseus_plugin", "compress", str(tmp_path / f"{name}.yaml"), "--json")
        before.append(json.loads(stdout)["before"])
    assert before[0] == pytest.approx(before[1], rel=1e-6)
