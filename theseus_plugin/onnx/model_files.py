"""ONNX models on disk, and what several stages change in them: the nodes, and what they say of their own origin.

A model is one file, or two where protobuf's limit of 2 GiB asks for it: `m.onnx` and its weights `m.onnx.data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SMALLEST = 1024  # bytes of a tensor that goes to the data file: below it may be a shape, which the graph needs inline
PAGE = 4096  # where a tensor starts, so that the system can map it into memory
PREFIX = "theseus."  # of the keys that `stamp` writes, where every tool that shows models finds them


def data_file(model: Path) -> Path:
    """Where the weights of `model` lie if they are not in the file itself."""
    return model.with_name(model.name + ".data")


def size(model: Path) -> int:
    """Bytes of a model, its data file included."""
    return sum(file.stat().st_size for file in files(model))


def files(model: Path) -> list[Path]:
    """The files of a model: itself, and its data file if it has one."""
    return [file for file in (model, data_file(model)) if file.exists()]


def remove(model: Path) -> None:
    """Delete a model and its data file, as far as they exist."""
    for file in (model, data_file(model)):
        file.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Rename a model with its data file, which it refers to by name; replaces what is at `target`.

    A model that refers to the data file of `target` instead of one of its own keeps it.
    """
    if data_file(source).exists():
        model = load_graph(source)
        for tensor in model.graph.initializer:
            if tensor.data_location == tensor.EXTERNAL:
                next(entry for entry in tensor.external_data if entry.key == "location").value = data_file(target).name
        source.write_bytes(model.SerializeToString())
        data_file(source).replace(data_file(target))
    elif data_file(target).exists() and not _refers(source):
        data_file(target).unlink()
    source.replace(target)


def gather(source: Path, target: Path, largest: int) -> None:
    """Move a model that is alone in its folder, and may have any number of files there, to `target`.

    It becomes one file if it has at most `largest` bytes, else two. Never more than one tensor is in memory then.
    """
    import onnx

    parts = list(source.parent.iterdir())
    if sum(file.stat().st_size for file in parts) <= largest:
        if len(parts) > 1:
            target.write_bytes(onnx.load(source).SerializeToString())
        else:
            source.replace(target)
        return
    model = load_graph(source)
    with data_file(target).open("wb") as stream:
        for tensor in model.graph.initializer:
            content = onnx.numpy_helper.to_array(tensor, base_dir=str(source.parent))
            if content.nbytes < SMALLEST:
                tensor.CopyFrom(onnx.numpy_helper.from_array(content, tensor.name))
                continue
            stream.seek(-stream.tell() % PAGE, 1)
            _refer(tensor, {"location": data_file(target).name, "offset": stream.tell(), "length": content.nbytes})
            stream.write(content.tobytes())
    target.write_bytes(model.SerializeToString())


def load_graph(model: Path) -> Any:
    """The `ModelProto` in `model`; weights in a data file stay there."""
    import onnx

    return onnx.load(model, load_external_data=False)


def set_nodes(graph: Any, nodes: Sequence[Any]) -> None:
    """Make `nodes`, of the graph itself or new, all that the graph has, in this order."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]  # clearing ends what was in it
    del graph.node[:]
    graph.node.extend(copies)


def stamp(file: Path, values: Mapping[str, str]) -> None:
    """Write `values` into the metadata of an ONNX file, in place of all that was stamped before.

    Keys get the prefix `theseus.` there; what others wrote stays, and so do weights in a data file.
    """
    import onnx

    model = load_graph(file)
    others = {entry.key: entry.value for entry in model.metadata_props if not entry.key.startswith(PREFIX)}
    onnx.helper.set_model_props(model, others | {PREFIX + key: value for key, value in values.items()})
    written = file.with_name(file.name + ".stamped")
    try:
        written.write_bytes(model.SerializeToString())
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)


def stamped(file: Path) -> dict[str, str]:
    """What was stamped on an ONNX file, without the prefix; empty if nothing was."""
    props = load_graph(file).metadata_props
    return {entry.key.removeprefix(PREFIX): entry.value for entry in props if entry.key.startswith(PREFIX)}


def _refers(model: Path) -> bool:
    """Whether some weights of a model lie in another file."""
    return any(tensor.data_location == tensor.EXTERNAL for tensor in load_graph(model).graph.initializer)


def _refer(tensor: Any, place: dict[str, object]) -> None:
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
        tensor.ClearField(field)
    del tensor.external_data[:]
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = tensor.EXTERNAL
