"""Read a folder back before it is published: what stock transformers makes of it has to be what was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from theseus_plugin.errors import UserError, reason, some
from theseus_plugin.files import read_json, write_json
from theseus_plugin.quiet import quiet

_INCIDENTAL = {"dtype", "torch_dtype", "transformers_version", "_name_or_path", "architectures"}
"""Fields of a config that say nothing of what the model computes."""


def check_folder(
    folder: Path, model: PreTrainedModel, auto_class: str | None = None, head: Mapping[str, Any] | None = None
) -> None:
    """See that a process without this package reads `model` from `folder`, where `save_pretrained` wrote it.

    The model is built from the saved config, on the meta device, and given what the safetensors files hold by their
    headers: all names and shapes have to be there, no more, and be `model`'s. Fields that stock leaves out of
    `config.json` because it takes them for defaults, although it would read others, are written into it.

    Args:
        folder: with `config.json` and weights; not yet renamed to where it is wanted.
        model: what was trained and written.
        auto_class: name of the `transformers` auto class that users load it with; default: the model's own class.
        head: config fields that the task's head has to have, such as `num_labels`.

    Raises:
        UserError: stock would read something else.
    """
    _write_dropped_fields(folder, model.config)
    reader: Any = getattr(transformers, auto_class) if auto_class else type(model)
    try:
        with quiet():
            stock, report = reader.from_pretrained(
                folder,
                device_map="meta",
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told below, with its name
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise _unreadable(model, f"{reader.__name__} gives {type(error).__name__}: {reason(error)}") from error
    if not isinstance(model, type(stock)):  # sharding makes a class of its own of a model's
        raise _unreadable(model, f"it becomes a {type(stock).__name__}")
    for name, saved, wanted in sorted(report["mismatched_keys"]):
        _refuse_shapes(model, {name: tuple(saved)}, {name: tuple(wanted)})
    for key, said in (("missing_keys", "is not in the saved file"), ("unexpected_keys", "is saved, but not read")):
        if report[key]:
            raise _unreadable(model, f"{some(sorted(report[key]))} {said}")
    _refuse_shapes(model, _shapes(model), _shapes(stock))
    _refuse_fields(model, _fields(model.config), _fields(stock.config))
    _refuse_head(model, stock.config, head or {})


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _refuse_shapes(
    model: PreTrainedModel, trained: Mapping[str, tuple[int, ...]], read: Mapping[str, tuple[int, ...]]
) -> None:
    for name in sorted(trained.keys() | read.keys()):
        ours, theirs = trained.get(name), read.get(name)
        if ours is None or theirs is None:
            raise _unreadable(model, f"{name} {'is not read' if theirs is None else 'was not trained'}")
        if ours != theirs:
            raise _unreadable(
                model, f"{name} is saved in the shape {list(ours)}, the saved config asks for {list(theirs)}"
            )


def _refuse_fields(model: PreTrainedModel, trained: Mapping[str, Any], read: Mapping[str, Any]) -> None:
    for name in sorted(trained.keys() | read.keys()):
        if trained.get(name) != read.get(name):
            raise _unreadable(
                model, f"its config has {name} {_brief(trained.get(name))}, which is read as {_brief(read.get(name))}"
            )


def _refuse_head(model: PreTrainedModel, config: PretrainedConfig, head: Mapping[str, Any]) -> None:
    wanted = head.get("num_labels") or len(head.get("id2label") or ())
    if wanted and config.num_labels != wanted:
        raise _unreadable(model, f"its head has {config.num_labels} outputs, the task {wanted}")


def _write_dropped_fields(folder: Path, config: PretrainedConfig) -> None:
    """Put into `config.json` what reading it would not give back."""
    file = folder / "config.json"
    try:
        with quiet():
            read = _fields(type(config).from_pretrained(folder, local_files_only=True))
    except Exception:  # a dozen types; loading the model tells it in words
        return
    ours = _fields(config)
    dropped = {name: value for name, value in ours.items() if read.get(name) != value}
    if dropped:
        write_json(file, read_json(file) | dropped)


def _fields(config: PretrainedConfig) -> dict[str, Any]:
    """What a config says, as JSON would give it back."""
    content: dict[str, Any] = _telling(json.loads(json.dumps(config.to_dict(), default=str)))
    return content


def _telling(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {name: _telling(value) for name, value in content.items() if name not in _INCIDENTAL}


def _unreadable(model: PreTrainedModel, what: str) -> UserError:
    return UserError(
        f"the finished model would not be read back as it was trained: {what}; nothing was published,"
        f" architecture {model.config.model_type!r} cannot be written in this form: choose another number of blocks,"
        " or another model"
    )


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
