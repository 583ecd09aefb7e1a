"""Two real CPU processes under `accelerate launch` (rules 1, 3 and 7)."""

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
from tests.tiny import save_tiny
from theseus_plugin import UserError, compress

LAUNCH = [str(Path(sys.executable).with_name("accelerate")), "launch", "--num_processes", "2", "--cpu"]
CONFIGURATIONS = Path(__file__).parents[2] / "examples" / "accelerate"
FSDP = [*LAUNCH[:2], "--config_file", str(CONFIGURATIONS / "fsdp.yaml")]
TWO_RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(*command: str) -> str:
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


WORKER = """
import json, os, sys
from theseus_plugin.recipe import load_recipe
from theseus_plugin.methods.replacing.phases import ReplacingPhase
from theseus_plugin.methods.replacing.switch import Switch
from theseus_plugin import compress

record = {}
set_draw, start, finish = Switch.set, ReplacingPhase.start, ReplacingPhase.finish

def spy(self, rate, micro_step):
    chosen = set_draw(self, rate, micro_step)
    record["draws"].append([rate, micro_step, chosen])
    return chosen

def note(self, block, what):
    if self.going_on and block.training:
        record["ran"].append(what)

def watch(self):
    start(self)
    for place, slot in enumerate(self.model.bert.encoder.layer):
        for name, block in slot.named_children():
            block.register_forward_pre_hook(
                lambda block, given, what=(place, name): note(self, block, what)
            )
    self.going_on = True

def end(self, evaluate):
    self.going_on = False
    finish(self, evaluate)

Switch.set, ReplacingPhase.start, ReplacingPhase.finish = spy, watch, end
for recipe in sys.argv[1:]:  # one after the other in the same processes
    record.update(draws=[], ran=[])
    record["result"] = compress(load_recipe(recipe))
    with open(f"{recipe}.rank{os.environ.get('RANK', '0')}.json", "w") as file:
        json.dump(record, file)
"""


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predecessor without dropout: that of two processes cannot be the same."""
    folder = tmp_path_factory.mktemp("still") / "bert"
    return save_tiny(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, still: Path, reviews: dict[str, Any]) -> dict[str, Any]:
    """The same run with one process of batch 16 and with two of batch 8, and with accumulation: the same examples and
    draws in each of ten steps.
    """
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "worker.py").write_text(WORKER)
    task = reviews | {"train": str(write_reviews(folder / "train.csv", 330, seed=4))}
    records: dict[str, Any] = {}
    for name, batch_size, accumulation in (("one", 16, 1), ("two", 8, 1), ("one twice", 16, 2), ("two twice", 8, 2)):
        training = {"max_steps": 10, "batch_size": batch_size, "eval_steps": 10, "learning_rate": 5e-4,
                    "precision": "fp32", "eval_batch_size": 4, "gradient_accumulation": accumulation}  # fmt: skip
        recipe = {
            "predecessor": str(still),
            "successor": str(folder / name),
            "task": task,
            "method": {
                "name": "theseus",
                "successor_blocks": 3,
                "schedule": {"name": "linear", "base_rate": 0.3, "slope": 0.1},
                "training": training,
            },
        }
        (folder / f"{name}.yaml").write_text(json.dumps(recipe))
    for number, start in (("one", [sys.executable]), ("two", TWO_RANKS)):
        names = (number, f"{number} twice")
        run(*start, str(folder / "worker.py"), *(str(folder / f"{name}.yaml") for name in names))
        for name in names:
            records[name] = [json.loads(rank.read_text()) for rank in sorted(folder.glob(f"{name}.yaml.rank*"))]
    return records


def test_every_rank_makes_the_same_draws_and_so_does_one_process(runs: dict[str, Any]) -> None:
    assert len(runs["two"]) == 2
    assert runs["two"][0]["draws"] == runs["two"][1]["draws"] == runs["one"][0]["draws"]
    assert len({tuple(draw) for _, _, draw in runs["one"][0]["draws"]}) > 1


def test_every_rank_runs_the_same_blocks_in_the_same_order(runs: dict[str, Any]) -> None:
    ran = runs["two"][0]["ran"]
    assert ran == runs["two"][1]["ran"] == runs["one"][0]["ran"]
    for _, _, draw in runs["two"][0]["draws"]:
        expected = [
            [place, "successor" if draw[place // 2] else "predecessor"]
            for place in range(6)
            if not draw[place // 2] or place % 2 == 0
        ]
        assert ran[: len(expected)] == expected
        ran = ran[len(expected) :]
    assert not ran, "only draws run blocks of the replacing phase"


@pytest.mark.parametrize("how", ["", " twice"])
def test_two_processes_give_the_weights_of_one_with_twice_the_batch(runs: dict[str, Any], how: str) -> None:
    """Modules that were drawn in one accumulated pass and not in the next included."""
    one, two = (
        load_file(Path(runs[name + how][0]["result"]["output"]) / "model.safetensors") for name in ("one", "two")
    )
    # A key's bias adds the same to all scores of a softmax: its gradient is nothing but rounding, which Adam enlarges.
    apart = {name: np.abs(two[name] - one[name]).max() for name in one if not name.endswith("key.bias")}
    assert {name: distance for name, distance in apart.items() if distance > 1e-5} == {}
    start = load_file(Path(runs["one"][0]["result"]["model"]) / "model.safetensors")
    assert max(np.abs(one[name] - start[name]).max() for name in one) > 1e-3


def test_the_rate_does_not_run_faster_with_two_processes(runs: dict[str, Any]) -> None:
    rates = [rate for rate, _, _ in runs["two"][0]["draws"]]
    assert rates == pytest.approx([0.3 + 0.1 * step for step in range(7)])
    twice = [rate for rate, _, _ in runs["two twice"][0]["draws"]]
    assert twice == pytest.approx([0.3 + 0.1 * step for step in range(7) for _ in range(2)])


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
    launch = [*LAUNCH[:2], "--config_file", str(CONFIGURATIONS / "cpu.yaml")]
    stdout = run(*launch, "-m", "theseus_plugin", "compress", str(path), "--json")
    printed = json.loads(stdout)
    assert printed["environment"]["processes"] == 2
    assert printed == json.loads((Path(recipe["successor"]) / "result.json").read_text())


def told(process: subprocess.CompletedProcess[str]) -> list[str]:
    """What our processes said of what ended them; a launcher's report comes after it, and is indented."""
    return [line for line in process.stderr.splitlines() if line.startswith("error: ")]


def test_a_mistake_is_one_line_from_one_process(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["method"]["sucessor_phase"] = "all"
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    process = subprocess.run(
        [*LAUNCH, "-m", "theseus_plugin", "compress", str(path)], capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    (line,) = told(process)
    assert "unknown key 'method.sucessor_phase': did you mean 'successor_phase'?" in line


def test_a_mistake_is_told_by_the_first_process_however_late_it_is(tmp_path: Path) -> None:
    """A launcher ends all processes as soon as one has failed."""
    late = "import os, time\nfrom theseus_plugin import cli\ntime.sleep(3 * (os.environ['RANK'] == '0'))\ncli.main()\n"
    (tmp_path / "worker.py").write_text(late)
    command = [*TWO_RANKS, str(tmp_path / "worker.py"), "compress", str(tmp_path / "nowhere.yaml")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode != 0
    (line,) = told(process)
    assert "nowhere.yaml: " in line
    assert process.stderr.count(line) == 2, "torchrun's report repeats it"


def start(recipe: dict[str, Any], folder: Path, rank: int, step: int, how: str) -> subprocess.CompletedProcess[str]:
    """Two processes, of which one sends itself a signal."""
    recipe["method"]["training"] |= {"max_steps": 60, "checkpoint_steps": 5, "eval_steps": 60}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "worker.py").write_text(DYING.format(rank=rank, step=step, how=how, where=os.getcwd()))
    command = [*TWO_RANKS, str(folder / "worker.py"), "compress", str(folder / "recipe.json")]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


DYING = """
import os, signal, sys
sys.path.insert(0, {where!r})
from tests.training.test_resume import die_at
from theseus_plugin import cli
if os.environ["RANK"] == "{rank}":
    die_at("step", {step}, signal.{how})
cli.main()
"""


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_dies_ends_the_run_with_a_message(recipe: dict[str, Any], tmp_path: Path, rank: int) -> None:
    process = start(recipe, tmp_path, rank, 12, "SIGKILL")
    assert process.returncode != 0
    assert "error: another process of this run died" in process.stderr
    assert "the last good checkpoint is that of step 10, in " in process.stderr
    assert not Path(recipe["successor"]).exists()


def test_a_signal_to_one_rank_stops_all_after_the_same_step(recipe: dict[str, Any], tmp_path: Path) -> None:
    process = start(recipe, tmp_path, 1, 12, "SIGTERM")
    assert process.returncode != 0
    (line,) = told(process)
    assert line.startswith("error: stopped by SIGTERM after step 13 of 60")
    assert {path.name for path in Path(f"{recipe['successor']}.checkpoints").iterdir()} == {"step-10", "step-13"}


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed, which this loop does not use: launch with FSDP 2 instead"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP 1, which this loop does not use: set fsdp_version: 2"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"},
            "fsdp_offload_params, which this loop does not do: set it to false",
        ),
    ],
)
def test_other_ways_to_split_a_model_are_refused_in_words(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"launched with {complaint}"):
        compress(recipe)


def test_fsdp_against_a_recipe_that_splits_nothing_is_refused(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    recipe["method"]["training"]["sharding"] = "none"
    with pytest.raises(UserError, match="launched with FSDP, but"):
        compress(recipe)


SHARDED = """
import json, os, sys
import torch
from torch.distributed.tensor import DTensor
from tests.training.test_resume import die_at
import signal
from theseus_plugin import compress, load_recipe
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
parts = {}

def watch(kind):
    start = kind.start
    def spy(self):
        start(self)
        all = [p for block in self.blocks() for p in block.parameters()]
        held = [p.to_local() if isinstance(p, DTensor) else p for p in all]
        parts[self.name] = [sum(p.numel() for p in some) for some in (held, all)]
    kind.start = spy

watch(ReplacingPhase)
watch(SuccessorPhase)
if sys.argv[3] != "-":
    die_at("step", int(sys.argv[3]), signal.SIGTERM)
result = compress(load_recipe(sys.argv[1], sys.argv[4:]))
with open(os.path.join(sys.argv[2], f"rank{os.environ['RANK']}.json"), "w") as file:
    json.dump({"result": result, "parts": parts}, file)
"""


def test_blocks_split_over_processes_give_the_same_weights(
    still: Path, tmp_path: Path, reviews: dict[str, Any]
) -> None:
    """Against two processes that hold all, in both phases; interrupted and resumed, and asked for by Accelerate's
    configuration instead of the recipe, too.
    """
    (tmp_path / "worker.py").write_text(f"import sys\nsys.path.insert(0, {os.getcwd()!r})\n{SHARDED}")
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
    for name, die, more in [("whole", "-", []), ("split", "-", [split]), ("stopped", "5", [split]), ("fsdp", "-", [])]:
        place = f"successor={tmp_path / name}"
        (tmp_path / f"{name}-records").mkdir()
        command = [
            *(FSDP if name == "fsdp" else TWO_RANKS),
            str(tmp_path / "worker.py"),
            str(tmp_path / "recipe.json"),
            str(tmp_path / f"{name}-records"),
        ]
        if name == "stopped":
            with pytest.raises(AssertionError, match="stopped by SIGTERM"):
                run(*command, die, place, *more)
            more = [*more, "method.training.resume=true"]
        run(*command, "-", place, *more)
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


def test_a_process_whose_batch_has_no_label_weighs_nothing(tmp_path: Path) -> None:
    """Its pass still runs, so that all have the same gradients to sum; the weights are those of one process."""
    model = save_tiny(
        tmp_path / "model", head=False, layers=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    words = [["\u200b"], ["the", "film"], ["\u200b"], ["a", "dull", "movie"], ["\u200b"], ["\u200b"]]
    rows = [{"words": row, "tags": ["B-FILM" if word in ("film", "movie") else "O" for word in row]} for row in words]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    task = {"name": "token-classification", **dict.fromkeys(("train", "validation"), str(tmp_path / "rows.jsonl"))}
    for name, start, batch_size in (("one", [sys.executable], 2), ("two", TWO_RANKS, 1)):
        training = {"epochs": 1, "batch_size": batch_size, "eval_steps": 3, "learning_rate": 1e-3, "precision": "fp32"}
        recipe = {"model": str(model), "predecessor": str(tmp_path / name), "task": task, "fit": training}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(recipe))
        run(*start, "-m", "theseus_plugin", "fit", str(tmp_path / f"{name}.yaml"))
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, weight in one.items():
        if not name.endswith("key.bias"):
            np.testing.assert_allclose(two[name], weight, atol=1e-5, err_msg=name)


HOLDING = """
import gc, json, os, sys
import torch
from torch.distributed.tensor import DTensor
from theseus_plugin import compress, load_recipe
from theseus_plugin.training import step

counted = []

def held():
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
    tensors += [tensor.grad for tensor in tensors if tensor.is_leaf and tensor.grad is not None]
    parts = [tensor._local_tensor if isinstance(tensor, DTensor) else tensor for tensor in tensors]
    storages = [part.untyped_storage() for part in parts if part.device.type == "cpu"]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

answerable = step.answerable

def between_passes(batch, count):
    counted.append(held())
    return answerable(batch, count)

step.answerable = between_passes
found = {}
for name in ("theseus", "kd", "tinybert"):
    for sharding in ("none", "blocks"):
        counted.clear()
        place = os.path.join(sys.argv[2], f"{name}-{sharding}")
        more = ["method.logits_share=0.5"] if name == "theseus" else []
        chosen = [f"method.name={name}", f"successor={place}", f"method.training.sharding={sharding}", *more]
        result = compress(load_recipe(sys.argv[1], chosen))
        found[f"{name}-{sharding}"] = {"held": list(counted), "result": result}
if os.environ["RANK"] == "1":
    with open(os.path.join(sys.argv[2], "found.json"), "w") as file:
        json.dump(found, file)
"""


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
    (tmp_path / "worker.py").write_text(HOLDING)
    run(*TWO_RANKS, str(tmp_path / "worker.py"), str(tmp_path / "recipe.json"), str(tmp_path))
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
