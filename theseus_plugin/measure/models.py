"""What can be measured: an ONNX model or a checkpoint folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json, sha256
from theseus_plugin.formats import with_stores
from theseus_plugin.loading.weights import INDEX, WEIGHTS, leaves, shards
from theseus_plugin.measure.graphs import Graph, read_graph
from theseus_plugin.records import own_format
from theseus_plugin.vocabulary import Runtime

ONNX, LOGITS = "model.onnx", "logits"
_SUFFIXES: dict[str, Runtime] = {"@eager": "torch-eager", "@compiled": "torch-compiled"}
Stamp = tuple[str, int, int]
"""Path, size and time of change of a file: as long as they stay, so does what was read."""


@dataclass(frozen=True)
class Model:
    """A model on disk."""

    name: str
    """As the user named it."""
    runtime: Runtime
    """What runs it."""
    precision: str
    """What it computes in. Stock checkpoints are run in fp32, whatever dtype they are stored in; a folder in a method's
    own format, and what is exported of it, computes in what its record says."""
    file: Path
    """The file to open: the ONNX graph, the weights of a checkpoint, or the index of its shards."""
    files: tuple[Path, ...]
    """That file and those with the rest of the weights."""
    sha256: str
    """Hash of these files, one after the other."""
    parameters: int | None = None
    """How many a folder in a method's own format has; None: all numbers in its weights are."""

    @property
    def folder(self) -> Path:
        """Where its `config.json` and tokenizer are."""
        return self.file.parent

    @property
    def config(self) -> dict[str, Any]:
        """Its `config.json`.

        Raises:
            UserError: that is none.
        """
        return _config(_stamp(self.folder / "config.json"))

    @property
    def graph(self) -> Graph | None:
        """What is in the ONNX file; None for a checkpoint."""
        return _graph(_stamp(self.file)) if self.runtime == "onnxruntime" else None

    def facts(self) -> dict[str, Any]:
        """Which file a record is about."""
        return {"file": str(self.file), "sha256": self.sha256}


def split_name(name: str) -> tuple[str, Runtime | None]:
    """The path in a model's name, and the runtime asked for: `runs/x/successor@compiled`."""
    for suffix, runtime in _SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), runtime
    return name, None


def resolve(name: str) -> Model:
    """The model at a path: a folder with `model.onnx` or `model.safetensors`, or such a file.

    A checkpoint's path may end in `@eager` (which is the default) or `@compiled`.

    Raises:
        UserError: neither is there, or both, or no `config.json` beside it; `@` behind an ONNX model; a file that
            is damaged, keeps weights outside its folder or lacks the files with them; a record of a method's own
            format that is damaged.
    """
    model = _resolved(name)
    _ = model.config
    return model


def _resolved(name: str) -> Model:
    path, asked = split_name(name)
    file = _find(name, Path(path))
    if not file.with_name("config.json").is_file():
        raise UserError(f"{name}: no config.json beside the model: put the checkpoint's config and tokenizer there")
    if file.suffix != ".onnx":
        own, files = own_format(file.parent), (file, *_beside(file, _shards(file)))
        if own is not None:
            files = with_stores(files)
        precision, parameters = (own.precision, own.parameters) if own is not None else ("fp32", None)
        return Model(name, asked or "torch-eager", precision, file, files, _sha256(_stamps(files)), parameters)
    if asked is not None:
        raise UserError(f"{name}: @eager and @compiled are for checkpoints, this is an ONNX model: leave it out")
    graph = _graph(_stamp(file))
    if not graph.outputs:
        raise UserError(f"{file} cannot be read as ONNX, it holds no graph: export it again")
    if LOGITS not in graph.outputs:
        raise UserError(
            f"{file}: no output {LOGITS!r}, only {', '.join(graph.outputs)}: export it again, with its head"
        )
    files = (file, *_beside(file, [_inside(file, place) for place in graph.external]))
    _refuse_cut(files[1:], graph.needed)
    return Model(name, "onnxruntime", graph.precision, file, files, _sha256(_stamps(files)))


def _find(name: str, path: Path) -> Path:
    if path.is_dir():
        found = [path / file for file in (ONNX, WEIGHTS, INDEX) if (path / file).is_file()]
        if not found:
            raise UserError(f"{name}: neither {ONNX} nor {WEIGHTS} in this folder: name a model folder")
        if len(found) > 1:
            raise UserError(
                f"{name}: both {found[0].name} and {found[1].name} in this folder: name the file to measure"
            )
        return found[0]
    if not path.is_file():
        raise UserError(f"{name}: no such file or folder; name an ONNX model or a checkpoint folder")
    if path.suffix not in (".onnx", ".safetensors") and path.name != INDEX:
        raise UserError(f"{name} is no model: name a folder, an .onnx file or a .safetensors file")
    return path


def _shards(file: Path) -> list[Path]:
    """The files that an index names; none for weights in one file."""
    if file.name != INDEX:
        return []
    return shards(file)


def _inside(file: Path, place: str) -> Path:
    """A file that a model names as the place of its weights, in the model's own folder or below."""
    if not place or "\0" in place or leaves(place):
        raise UserError(f"{file} keeps weights in {place!r}, outside its own folder: save them beside the model")
    return file.parent / place


def _refuse_cut(files: Sequence[Path], needed: Mapping[str, int]) -> None:
    for other, least in zip(files, needed.values(), strict=True):
        if other.stat().st_size < least:
            raise UserError(
                f"{other}: {other.stat().st_size:,} bytes, but the model reads {least:,} of it: copy the model again"
            )


def _beside(file: Path, others: Sequence[Path]) -> Sequence[Path]:
    for other in others:
        if not other.is_file():
            name = other.relative_to(file.parent)
            raise UserError(f"{file} keeps weights in {name}, which is not beside it: copy the model again")
    return others


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


def _stamps(files: Sequence[Path]) -> tuple[Stamp, ...]:
    return tuple(_stamp(file) for file in files)


@lru_cache(maxsize=64)
def _sha256(stamps: tuple[Stamp, ...]) -> str:
    return sha256(*(Path(path) for path, _, _ in stamps))


@lru_cache(maxsize=64)
def _config(stamp: Stamp) -> dict[str, Any]:
    found = read_json(Path(stamp[0]))
    if not isinstance(found, dict):
        raise UserError(f"{stamp[0]}: holds no JSON object: copy the config of the model there")
    return found


@lru_cache(maxsize=64)
def _graph(stamp: Stamp) -> Graph:
    return read_graph(Path(stamp[0]))
