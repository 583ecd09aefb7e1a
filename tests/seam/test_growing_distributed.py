"""Two real CPU processes grow what one grows, blocks whole or split, moments carried in both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests.tiny import save_tiny
from theseus_plugin import fit

TWO_RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
WORKER = """
import sys
from theseus_plugin import fit, load_recipe
for recipe in sys.argv[1:]:  # one after the other in the same processes
    fit(load_recipe(recipe))
"""


def test_two_processes_give_the_weights_of_one_with_twice_the_batch(
    growing: dict[str, Any], growing_site: Path, tmp_path: Path
) -> None:
    still = save_tiny(
        tmp_path / "still", head=False, layers=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    growing["model"] = str(still)
    growing["fit"] |= {"max_steps": 10, "eval_steps": 10, "precision": "fp32", "learning_rate": 5e-4}
    (tmp_path / "worker.py").write_text(WORKER)
    runs = {"two": {"batch_size": 8}, "split": {"batch_size": 8, "sharding": "blocks"}}
    for name, options in runs.items():
        recipe = growing | {"predecessor": str(tmp_path / name), "fit": growing["fit"] | options}
        (tmp_path / f"{name}.json").write_text(json.dumps(recipe))
    command = [*TWO_RANKS, str(tmp_path / "worker.py"), *(str(tmp_path / f"{name}.json") for name in runs)]
    path = os.pathsep.join([str(growing_site), os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]
    one = load_file(Path(fit(growing | {"fit": growing["fit"] | {"batch_size": 16}})["output"]) / "model.safetensors")
    for name in runs:
        other = load_file(tmp_path / name / "model.safetensors")
        # a key's bias has no gradient but rounding, which Adam enlarges
        apart = {weight: np.abs(other[weight] - one[weight]).max() for weight in one if not weight.endswith("key.bias")}
        assert {weight: distance for weight, distance in apart.items() if distance > 1e-5} == {}, name
