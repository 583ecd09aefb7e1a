"""Runs that cannot be resumed, launches that ask for what the loop does not do, and splits that teach nothing."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_input.driver import Case
from tests.bad_input.world import CHECKPOINTED, World
from theseus_plugin.files import sha256

NEWEST = "step-3"


class _Bomb:
    """Touches a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("exploded"),)


def _resume(spoil: Callable[[World, Path], object], **sections: Any) -> Callable[[World], list[str]]:
    """Resume the interrupted run after `spoil` was done to its world and its newest checkpoint."""

    def prepare(w: World) -> list[str]:
        checkpoints = w.copy("successor.checkpoints")
        changed = spoil(w, checkpoints / NEWEST)
        more = changed if isinstance(changed, dict) else {}
        training = {"method": {"training": CHECKPOINTED | sections.get("training", {})}}
        return ["compress", w.recipe(**training, **more), "--resume"]

    return prepare


def _rewrite(name: str, content: bytes | Callable[[bytes], bytes]) -> Callable[[World, Path], None]:
    """Change a file of every checkpoint, and its hash with it, as somebody does who wants to fool the check."""

    def spoil(w: World, newest: Path) -> None:
        for folder in newest.parent.iterdir():
            file = folder / name
            file.write_bytes(content(file.read_bytes()) if callable(content) else content)
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["files"][name] = sha256(file)
            (folder / "manifest.json").write_text(json.dumps(manifest))

    return spoil


def _state(**fields: Any) -> Callable[[World, Path], None]:
    return _rewrite("state.json", lambda old: json.dumps(json.loads(old) | fields).encode())


def _other_file(split: str, change: Callable[[str], str]) -> Callable[[World], list[str]]:
    """Interrupt a run on a file of the case's own, change that file, and resume."""

    def prepare(w: World) -> list[str]:
        w.copy(f"{split}.csv")
        manifest = w.copy("successor.checkpoints") / NEWEST / "manifest.json"
        content = json.loads(manifest.read_text())
        content["recipe"]["task"][split] = f"{split}.csv"
        manifest.write_text(json.dumps(content))
        w.write(f"{split}.csv", change(Path(f"{split}.csv").read_text()))
        recipe = w.recipe(task={split: f"{split}.csv"}, method={"training": CHECKPOINTED})
        return ["compress", recipe, "--resume"]

    return prepare


def _other_predecessor(change: Callable[[World, Path], None]) -> Callable[[World], list[str]]:
    def prepare(w: World) -> list[str]:
        predecessor = w.copy("predecessor")
        manifest = w.copy("successor.checkpoints") / NEWEST / "manifest.json"
        text = manifest.read_text().replace(str(w.assets / "predecessor"), "predecessor")
        manifest.write_text(text)
        change(w, predecessor)
        recipe = w.recipe(predecessor="predecessor", method={"training": CHECKPOINTED})
        return ["compress", recipe, "--resume"]

    return prepare


def _one_weight(w: World, folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] = weights["classifier.bias"] + 0.25
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _tokenizer(w: World, folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["film"], vocabulary["movie"] = vocabulary["movie"], vocabulary["film"]
    (folder / "tokenizer.json").write_text(json.dumps(content))


def _launched(**variables: str) -> Callable[[World], list[str]]:
    def prepare(w: World) -> list[str]:
        os.environ |= variables
        return ["compress", w.recipe(method={"training": {"epochs": 1, "precision": "auto"}})]

    return prepare


def _tags(*rows: list[str]) -> Callable[[World], list[str]]:
    def prepare(w: World) -> list[str]:
        rows_as_json = "".join(json.dumps({"words": row, "tags": ["O"] * len(row)}) + "\n" for row in rows)
        file = w.write("train.jsonl", rows_as_json)
        content = w.content(predecessor="out")
        content["task"] = {"name": "token-classification", "train": file, "validation": file}
        w.write("recipe.yaml", json.dumps(content))
        return ["fit", "recipe.yaml"]

    return prepare


def _weights(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[World, Path], None]:
    def rewritten(old: bytes) -> bytes:
        from safetensors.numpy import load, save

        return save(change(load(old)))

    return _rewrite(name, rewritten)


FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
_CHANGED = ("begun on other inputs", "have changed since", "remove the folder to start anew")
_STRANGE = ("cannot be resumed from", "remove")
CASES = [
    Case(
        "resumes with a training file that became shorter",
        _other_file("train", lambda text: "\n".join(text.splitlines()[:12]) + "\n"),
        (*_CHANGED, "the examples of train"),
        begun=True,
    ),
    Case(
        "resumes with one word of a training text edited",
        _other_file("train", lambda text: text.replace("film", "movie", 1)),
        (*_CHANGED, "the examples of train"),
        begun=True,
    ),
    Case(
        "resumes with the training rows in another order",
        _other_file("train", lambda text: "\n".join([text.splitlines()[0], *text.splitlines()[:0:-1]]) + "\n"),
        (*_CHANGED, "the examples of train"),
        begun=True,
    ),
    Case(
        "resumes with one label of the validation file turned round",
        _other_file("validation", lambda text: text[:-2] + ("1" if text[-2] == "0" else "0") + "\n"),
        (*_CHANGED, "the examples of validation"),
        begun=True,
    ),
    Case(
        "resumes with another predecessor of the same name",
        _other_predecessor(_one_weight),
        (*_CHANGED, "weights or configuration of predecessor"),
        begun=True,
    ),
    Case(
        "resumes with the predecessor's configuration edited",
        _other_predecessor(lambda w, folder: w.edit(folder / "config.json", layer_norm_eps=1e-3)),
        (*_CHANGED, "weights or configuration of predecessor"),
        begun=True,
    ),
    Case(
        "resumes with another tokenizer beside the predecessor",
        _other_predecessor(_tokenizer),
        (*_CHANGED, "the examples of train, or what makes them, as the tokenizer"),
        begun=True,
    ),
    Case(
        "resumes with fewer epochs",
        _resume(lambda w, newest: None, training={"epochs": 0.2}),
        ("is of another recipe", "method.training.epochs was 1"),
        begun=True,
    ),
    Case(
        "resumes with a checkpoint of a version that pickled",
        _resume(
            lambda w, newest: (
                [w.edit(folder / "manifest.json", format=1) for folder in newest.parent.iterdir()] and None
            )
        ),
        ("was written by another version of theseus-plugin", "to start anew"),
        begun=True,
    ),
    Case(
        "resumes from an optimizer file that is a pickle",
        _resume(_rewrite("optimizer-0.safetensors", pickle.dumps(_Bomb()))),
        _STRANGE,
        begun=True,
    ),
    Case(
        "resumes from a file of random states that is a pickle",
        _resume(_rewrite("random-0.safetensors", pickle.dumps(_Bomb()))),
        _STRANGE,
        begun=True,
    ),
    Case(
        "resumes from a state.json that is a pickle",
        _resume(_rewrite("state.json", pickle.dumps(_Bomb(), 0))),
        ("state.json: not valid JSON", "successor.checkpoints to start anew"),
        begun=True,
    ),
    Case("resumes from a state.json that is {}", _resume(_rewrite("state.json", b"{}")), _STRANGE, begun=True),
    Case("resumes from a state.json that is []", _resume(_rewrite("state.json", b"[]")), _STRANGE, begun=True),
    Case(
        "resumes from a state.json of 100,000 brackets",
        _resume(_rewrite("state.json", b"[" * 100_000)),
        ("step-3", "successor.checkpoints to start anew"),
        begun=True,
    ),
    Case("resumes from a state beyond the end", _resume(_state(position={"step": 99})), _STRANGE, begun=True),
    Case("resumes from a state of one phase of two", _resume(_state(phases=[])), _STRANGE, begun=True),
    Case(
        "resumes from weights of which one is gone",
        _resume(_weights("model.safetensors", lambda old: dict(list(old.items())[1:]))),
        (*_STRANGE, "its weights are not the model's"),
        begun=True,
    ),
    Case(
        "resumes from a weight of another shape",
        _resume(
            _weights("model.safetensors", lambda old: old | {"classifier.bias": old["classifier.bias"][:1].repeat(5)})
        ),
        _STRANGE,
        begun=True,
    ),
    Case(
        "resumes from moments of another shape",
        _resume(
            _weights(
                "optimizer-0.safetensors", lambda old: {name: value[:0] for name, value in old.items() if value.ndim}
            )
        ),
        _STRANGE,
        begun=True,
    ),
    Case(
        "starts anew where checkpoints of another run lie",
        lambda w: (w.copy("successor.checkpoints"), ["compress", w.recipe()])[1],
        ("holds an interrupted run of this output, at step 3", "continue it with --resume, or remove the folder"),
    ),
    Case(
        "has a file where the checkpoints go",
        lambda w: (w.write("successor.checkpoints", "notes"), ["compress", w.recipe()])[1],
        ("successor.checkpoints is no folder", "move it away"),
    ),
    Case(
        "has a dangling link where the checkpoints go",
        lambda w: (Path("successor.checkpoints").symlink_to("nowhere"), ["compress", w.recipe()])[1],
        ("successor.checkpoints is no folder", "move it away"),
    ),
    Case(
        "has words without any token in every row",
        _tags(["\u200b"], ["\u200b", "\u200b"]),
        ("train",),
    ),
    *(
        Case(f"launches with {variable}={value}", _launched(**{**more, variable: value}), ("launched with", says))
        for more, variable, value, says in (
            ({}, "ACCELERATE_USE_DEEPSPEED", "true", "DeepSpeed"),
            ({}, "ACCELERATE_USE_MEGATRON_LM", "true", "Megatron-LM"),
            ({}, "ACCELERATE_USE_PARALLELISM_CONFIG", "true", "parallelism_config"),
            ({}, "ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", "set it to no"),
            ({}, "ACCELERATE_DYNAMO_BACKEND", "nonsense", "set it to no"),
            ({}, "ACCELERATE_DOWNCAST_BF16", "true", "downcast_bf16"),
            ({}, "ACCELERATE_MIXED_PRECISION", "fp16", "set it to no or bf16"),
            ({}, "ACCELERATE_MIXED_PRECISION", "fp8", "set it to no or bf16"),
            ({}, "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "many", "give a whole number from 1"),
            ({}, "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "0", "give a whole number from 1"),
            ({}, "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "-4", "give a whole number from 1"),
            ({}, "ACCELERATE_USE_FSDP", "true", "set fsdp_version: 2"),
            (FSDP, "FSDP_OFFLOAD_PARAMS", "true", "set it to false"),
            (FSDP, "FSDP_RESHARD_AFTER_FORWARD", "false", "set it to true"),
            (FSDP, "FSDP_SHARDING_STRATEGY", "NO_SHARD", "set it to FULL_SHARD"),
            (FSDP, "FSDP_AUTO_WRAP_POLICY", "NO_WRAP", "set it to TRANSFORMER_BASED_WRAP"),
            (FSDP, "FSDP_ACTIVATION_CHECKPOINTING", "true", "set it to false"),
        )
    ),
]
