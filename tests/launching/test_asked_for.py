"""What `accelerate launch` was asked for is done or refused, never dropped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.patience import finished
from theseus_plugin import UserError, compress, load_recipe
from theseus_plugin.launching import asked_for
from theseus_plugin.launching.asked_for import check_launch, launched_precision
from theseus_plugin.launching.command_line import parse
from theseus_plugin.training.config import TrainingConfig

FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}


def checked(config: TrainingConfig) -> None:
    check_launch(config.sharding, config.gradient_accumulation)


def test_the_launchers_accumulation_is_the_recipes(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and steps, against the same number written in the recipe."""
    found = {}
    for name, overrides in (("recipe", ["method.training.gradient_accumulation=4"]), ("launcher", [])):
        if name == "launcher":
            monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
        found[name] = compress(load_recipe(recipe, [f"successor={recipe['successor']}-{name}", *overrides]))
    ours, theirs = (load_file(Path(found[name]["output"]) / "model.safetensors") for name in ("launcher", "recipe"))
    for weight in theirs:
        np.testing.assert_array_equal(ours[weight], theirs[weight])
    assert found["launcher"]["recipe"]["method"]["training"]["gradient_accumulation"] == 4
    assert sum(phase["steps"] for phase in found["launcher"]["training"]["phases"]) == 6


def test_the_recipes_accumulation_against_another_of_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    checked(TrainingConfig())
    checked(TrainingConfig(gradient_accumulation=4))
    with pytest.raises(UserError, match=r"steps 4, but training\.gradient_accumulation is 2: remove one of the two"):
        checked(TrainingConfig(gradient_accumulation=2))


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "a parallelism_config"),
        ({"ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, "dynamo_backend, which this loop does not do: set it to no"),
        ({"ACCELERATE_DOWNCAST_BF16": "true"}, "downcast_bf16"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP 1"),
        ({**FSDP, "FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params"),
        ({**FSDP, "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "fsdp_activation_checkpointing,"),
        ({**FSDP, "FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD": "true"}, "fsdp_activation_checkpointing_offload"),
        ({**FSDP, "FSDP_RESHARD_AFTER_FORWARD": "false"}, "fsdp_reshard_after_forward"),
        ({**FSDP, "FSDP_SHARDING_STRATEGY": "SHARD_GRAD_OP"}, "fsdp_sharding_strategy"),
        ({**FSDP, "FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP"}, "fsdp_auto_wrap_policy"),
        ({**FSDP, "FSDP_IGNORED_MODULES": "head.*"}, "fsdp_ignored_modules"),
    ],
)
def test_what_the_loop_does_not_do_is_refused(
    variables: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^launched with {complaint}"):
        checked(TrainingConfig())


def test_what_the_launcher_always_writes_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `accelerate launch --use_fsdp --fsdp_version 2` writes it."""
    written = {
        "ACCELERATE_MIXED_PRECISION": "no",
        "ACCELERATE_DYNAMO_BACKEND": "NO",
        "FSDP_SHARDING_STRATEGY": "FULL_SHARD",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_OFFLOAD_PARAMS": "false",
        "FSDP_MIN_NUM_PARAMS": "100000000",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
        "FSDP_ACTIVATION_CHECKPOINTING": "false",
        "FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD": "false",
    }
    monkeypatch.setenv("THESEUS_USE_FSDP", "")  # taken back at the end
    for name, value in (FSDP | written).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(asked_for, "launcher_options", lambda: {"use_fsdp": "True", "fsdp_version": "2"})
    config = TrainingConfig()
    checked(config)
    assert config.sharding == "blocks"
    assert launched_precision() is None


@pytest.mark.parametrize("given", ["fp16", "fp8"])
def test_a_precision_that_the_loop_does_not_train_in(
    given: str, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused unless the recipe says another; bf16 is what `auto` becomes."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", given)
    recipe["method"]["training"] |= {"precision": "auto", "max_steps": 1}
    with pytest.raises(UserError, match=f"launched with mixed_precision {given}, which this loop does not do: set it"):
        compress(recipe)
    said = compress(load_recipe(recipe, ["method.training.precision=fp32", f"successor={recipe['successor']}-said"]))
    assert said["environment"]["precision"] == "fp32"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert compress(recipe)["environment"]["precision"] == "bf16"


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("--gradient_clipping 0.5", "--gradient_clipping, which .* does not read: set training.max_grad_norm"),
        ("--zero_stage 3", "--zero_stage, which this loop does not read: remove it"),
        ("--fsdp_offload_params true", "--fsdp_offload_params"),
        ("--fp8_format HYBRID", "--fp8_format"),
        ("--dynamo_mode max-autotune", "--dynamo_mode"),
        ("--megatron_lm_tp_degree 2", "--megatron_lm_tp_degree"),
        ("--gradient_accumulation_steps=x", "gradient_accumulation_steps x: give a whole number"),
    ],
)
def test_options_that_accelerate_drops_are_refused_too(
    typed: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They reach no variable where the engine that reads them was not asked for."""
    words = [sys.executable, "/bin/accelerate", "launch", "--cpu", *typed.split(), "-m", "theseus_plugin", "fit", "x"]
    if typed.endswith("=x"):
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "x")
    else:
        options = parse(words)
        assert options is not None
        monkeypatch.setattr(asked_for, "launcher_options", lambda: options)
    with pytest.raises(UserError, match=f"^launched with {complaint}"):
        checked(TrainingConfig(gradient_accumulation=1))


def test_commands_that_launch_something_else() -> None:
    assert parse(["kubectl", "launch", "--zero_stage", "3"]) is None
    assert parse(["theseus-plugin", "fit", "launch"]) is None
    assert parse(["accelerate-launch", "--num_processes", "2", "train.py"]) == {
        "num_processes": "2",
        "training_script": "train.py",
    }


def test_the_option_as_users_type_it(tmp_path: Path) -> None:
    """Accelerate hands it on to DeepSpeed only."""
    worker = "from theseus_plugin.training.config import TrainingConfig as C\nprint(C().gradient_accumulation)\n"
    (tmp_path / "worker.py").write_text(worker)
    command = [str(Path(sys.executable).with_name("accelerate")), "launch", "--cpu", "--num_processes", "1"]
    command += ["--gradient_accumulation_steps", "4", str(tmp_path / "worker.py")]
    process = finished(command)
    assert process.stdout.split() == ["4"], process.stderr
