"""What an ONNX file says about its own origin, where every tool that shows models finds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from theseus_plugin.onnx.external import load_graph

PREFIX = "theseus."


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


def read(file: Path) -> dict[str, str]:
    """What was stamped on an ONNX file, without the prefix; empty if nothing was."""
    props = load_graph(file).metadata_props
    return {entry.key.removeprefix(PREFIX): entry.value for entry in props if entry.key.startswith(PREFIX)}
