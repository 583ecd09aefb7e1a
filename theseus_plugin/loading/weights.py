"""Which files hold the weights of a checkpoint: safetensors inside its folder, and nothing else is ever opened.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from theseus_plugin.errors import UserError, some

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
_PARAMETERS = (".weight", ".bias")
_WHOLE = ("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def weights_files(folder: str | Path, auto_class: str = "AutoModel") -> tuple[Path, ...]:
    """The files with the weights of a checkpoint folder: `model.safetensors`, or the index of its shards and these.

    Args:
        folder: that has `config.json`.
        auto_class: name of the `transformers` auto class that loads it, for the message that says how to convert it.

    Raises:
        UserError: no such folder, no safetensors, weights that are named elsewhere, an adapter, or an index that is
            damaged, names no safetensors or what lies outside the folder.
    """
    where = Path(folder)
    if not (where / "config.json").is_file():
        raise UserError(f"{folder} is no checkpoint folder: it has no config.json; name one written by save_pretrained")
    if (where / "adapter_config.json").exists():
        raise UserError(
            f"{folder} holds an adapter (adapter_config.json), which would be left out: save the model that PEFT's"
            " merge_and_unload() gives to a new folder, and name that"
        )
    named = read_fields(where / "config.json").get("transformers_weights", WEIGHTS)
    if named not in (WEIGHTS, INDEX, None):
        raise UserError(
            f"{where / 'config.json'}: transformers_weights names {named!r}: rename the weights to {WEIGHTS} and remove"
            " the field"
        )
    if (where / WEIGHTS).is_file() and named != INDEX:
        return (where / WEIGHTS,)
    if (where / INDEX).is_file():
        files = shards(where / INDEX)
        if not isinstance(read_fields(where / INDEX).get("metadata"), dict):  # transformers asks for it
            raise UserError(f"{where / INDEX} has no object metadata: save the model again")
        return (where / INDEX, *files)
    raise UserError(_no_safetensors(where, auto_class))


def shards(index: Path) -> list[Path]:
    """The files that an index names, in order; each is there.

    Raises:
        UserError: it is no such index, or names a file that is no safetensors, lies outside its folder or is missing.
    """
    files = [index.parent / name for name in shard_names(index)]
    for file in files:
        if not file.is_file():
            raise UserError(f"{index} keeps weights in {file.name}, which is not beside it: copy the checkpoint again")
    return files


def shard_names(index: Path) -> list[str]:
    """The names that an index gives, each once and in order, whether or not the files are there.

    Raises:
        UserError: as `shards`, but for missing files.
    """
    weight_map = read_fields(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{index} is no index of weights: it has no weight_map of files: save the model again")
    for weight, name in weight_map.items():
        if not isinstance(name, str) or not name.endswith(".safetensors"):
            raise UserError(
                f"{index}: {weight} is in {name!r}, which is no .safetensors file: save the model again with"
                " save_pretrained, which writes safetensors"
            )
        if leaves(name):
            raise UserError(f"{index}: {weight} is in {name!r}, outside the folder: move the file beside the index")
    return sorted(set(weight_map.values()))


def read_fields(file: Path) -> dict[str, Any]:
    """The fields of a JSON file that belongs to a checkpoint.

    Raises:
        UserError: it cannot be read, or holds no object.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): check its permissions") from None
    except RecursionError:
        raise UserError(f"{file}: not valid JSON (nested too deep): copy the checkpoint again") from None
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error}): copy the checkpoint again") from None
    if not isinstance(value, dict):
        raise UserError(f"{file} holds {_kind(value)}, not an object of fields: copy the checkpoint again")
    return value


def tensors_of(file: Path) -> dict[str, tuple[str, list[int]]]:
    """By name, the dtype (as safetensors calls it: `F32`) and the shape of the tensors of a file, from its header.

    Raises:
        OSError: it cannot be read.
        SafetensorError: it is no such file.
    """
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
        return {name: (part.get_dtype(), part.get_shape()) for name, part in slices.items()}


def refuse_whole_numbers(checkpoint: str, files: Sequence[Path]) -> None:
    """Refuse weights that are whole numbers: `transformers` would take a quantised model's for the weights themselves.

    Raises:
        UserError: some are.
    """
    from safetensors import SafetensorError

    for file in (one for one in files if one.suffix == ".safetensors"):
        try:
            tensors = tensors_of(file)
        except (OSError, SafetensorError):  # loading it tells that
            continue
        whole = [
            f"{name} {kind}"
            for name, (kind, _) in sorted(tensors.items())
            if kind in _WHOLE and name.endswith(_PARAMETERS)
        ]
        if whole:
            raise UserError(
                f"{checkpoint}: weights are whole numbers ({some(whole)}), as of a quantised model: name the checkpoint"
                " that it was made of"
            )


def leaves(name: str) -> bool:
    """Whether a name points out of its folder, on any system."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _no_safetensors(folder: Path, auto_class: str) -> str:
    pickled = next((name for name in PICKLED if (folder / name).is_file()), None)
    if pickled is None:
        return f"{folder} is no checkpoint folder: it has no {WEIGHTS}; name one written by save_pretrained"
    # the class that was saved keeps the head
    saved = read_fields(folder / "config.json").get("architectures")
    name = saved[0] if isinstance(saved, list) and saved and str(saved[0]).isidentifier() else auto_class
    return (
        f"{folder}: its weights are in {pickled}, which is never loaded, since it may hold code: if you trust it, run"
        f" in Python `from transformers import {name}` and then"
        f" `{name}.from_pretrained({str(folder)!r}, use_safetensors=False).save_pretrained({str(folder)!r})`"
    )
