"""Bad models: ONNX files and checkpoints that cannot be measured, exported or ranked with, and absurd options of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bad_input.driver import Case
from tests.bad_input.world import World

Prepare = Callable[[World], Sequence[str]]


def _bench(spoil: Callable[[Path], Any], *options: str, asset: str = "onnx", model: str | None = None) -> Prepare:
    """Measure a copy of an asset after something was done to its folder."""

    def prepare(w: World) -> list[str]:
        spoil(w.copy(asset))
        return ["bench", model or asset, "--task", w.recipe(), *options]

    return prepare


def _proto(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change the ONNX model in a folder."""

    def spoil(folder: Path) -> None:
        import onnx

        model = onnx.load(folder / "model.onnx")
        change(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    return spoil


def _external(location: str, length: int = 64) -> Callable[[Path], None]:
    """Say that a weight lies in another file."""

    def change(model: Any) -> None:
        tensor = next(one for one in model.graph.initializer if len(one.raw_data) > 64)
        tensor.ClearField("raw_data")
        tensor.data_location = tensor.EXTERNAL
        for key, value in {"location": location, "offset": "0", "length": str(length)}.items():
            tensor.external_data.add(key=key, value=value)

    return _proto(change)


def _with_data(size: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        _external("model.onnx.data", 4096)(folder)
        (folder / "model.onnx.data").write_bytes(b"\0" * size)

    return spoil


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def _remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names]


def _cut(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) * 2 // 3])


def _rename(folder: Path) -> None:
    (folder / "model.onnx").rename(folder / "a.onnx")
    (folder / "b.onnx").write_bytes((folder / "a.onnx").read_bytes())


def _dangle(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("gone.onnx")


def _loop(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("model.onnx")


def _input(old: str, new: str) -> Callable[[Path], None]:
    def change(model: Any) -> None:
        for value in model.graph.input:
            value.name = new if value.name == old else value.name
        for node in model.graph.node:
            for at, name in enumerate(node.input):
                node.input[at] = new if name == old else name

    return _proto(change)


def _output(name: str) -> Callable[[Path], None]:
    """The logits under another name."""

    def change(model: Any) -> None:
        for value in [*model.graph.output, *model.graph.node]:
            if hasattr(value, "output"):
                value.output[:] = [name if one == "logits" else one for one in value.output]
            elif value.name == "logits":
                value.name = name

    return _proto(change)


def _more_ranks(model: Any) -> None:
    import onnx

    graph = model.graph
    for node in graph.node:
        node.output[:] = ["flat" if one == "logits" else one for one in node.output]
    graph.initializer.append(onnx.helper.make_tensor("places", onnx.TensorProto.INT64, [1], [1]))
    graph.node.append(onnx.helper.make_node("Unsqueeze", ["flat", "places"], ["logits"]))
    graph.output[0].type.tensor_type.ClearField("shape")


def _nan(model: Any) -> None:
    import numpy as np
    import onnx

    bias = next(one for one in model.graph.initializer if one.name.endswith("classifier.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan, 0], dtype=np.float32), bias.name))


def _fewer_words(model: Any) -> None:
    import onnx

    table = next(one for one in model.graph.initializer if one.name.endswith("word_embeddings.weight"))
    values = onnx.numpy_helper.to_array(table)[:7]
    table.CopyFrom(onnx.numpy_helper.from_array(values.copy(), table.name))


def _fill(value: float, name: str = "classifier.bias") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        from safetensors.numpy import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        tensors[name].fill(value)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


def _nothing(folder: Path) -> None:
    pass


def _export(*options: str, spoil: Callable[[Path], Any] = _nothing) -> Prepare:
    def prepare(w: World) -> list[str]:
        spoil(w.copy("predecessor"))
        return ["export", "predecessor", "out", "--task", w.recipe(), *options]

    return prepare


FACTS = "a\tparent\tb\nb\tparent\tc\na\tlikes\tc\n"


def _rank(*queries: str, facts: str = FACTS, **more: str) -> Prepare:
    """Rank two candidates a query, with a model of two classes."""

    def prepare(w: World) -> list[str]:
        train = w.write("facts.txt", facts)
        Path("task.json").write_text(json.dumps({"task": {"name": "relations", "train": train, **more}}))
        files = [w.write(f"queries{at}.txt", content) for at, content in enumerate(queries)]
        given = [word for file in files for word in ("--queries", file)]
        return ["rank", str(w.assets / "onnx"), "--task", "task.json", *given, "--set", "candidates=2"]

    return prepare


def _explain(*fact: str) -> Prepare:
    def prepare(w: World) -> list[str]:
        task = {"name": "relations", "train": w.write("facts.txt", FACTS)}
        Path("task.json").write_text(json.dumps({"task": task}))
        return ["explain", *fact, "--model", str(w.assets / "onnx"), "--task", "task.json"]

    return prepare


OUTSIDE = ("model.onnx", "outside its own folder", "save them beside")
UNREADABLE = ("model.onnx", "cannot be read as ONNX", "export it again")
SHAPE = ("write BATCHxLENGTH",)
KEPT = ("predecessor", "not finite", "example", "train it again")

CASES = [
    Case(
        "exports a checkpoint that is not there", lambda w: ["export", "nope", "out"], ("nope: no such file or folder",)
    ),
    Case("measures a model that is not there", lambda w: ["bench", "no.onnx"], ("no.onnx: no such file or folder",)),
    Case("measures an ONNX model whose weights lie at an absolute path", _bench(_external("/etc/passwd")), OUTSIDE),
    Case("measures an ONNX model whose weights lie in a parent folder", _bench(_external("../secret")), OUTSIDE),
    Case("measures an ONNX model whose weights lie outside by a detour", _bench(_external("a/../../b")), OUTSIDE),
    Case("measures an ONNX model whose weights lie in no file", _bench(_external("")), OUTSIDE),
    Case(
        "measures an ONNX model without its data file",
        _bench(_external("model.onnx.data")),
        ("model.onnx.data", "copy"),
    ),
    Case(
        "measures an ONNX model whose data file is in a folder that is gone", _bench(_external("w/x")), ("w/x", "copy")
    ),
    Case("measures an ONNX model with a data file cut short", _bench(_with_data(100)), ("100 bytes", "4,096", "copy")),
    Case("measures an ONNX model with an empty data file", _bench(_with_data(0)), ("0 bytes", "4,096", "copy")),
    Case("measures an ONNX model that was cut short", _bench(_cut), UNREADABLE),
    Case("measures an ONNX model that is a text", _bench(_write("model.onnx", b"not a model\n")), UNREADABLE),
    Case("measures an ONNX model that is empty", _bench(_write("model.onnx", b"")), UNREADABLE),
    Case("measures an ONNX model that is zeros", _bench(_write("model.onnx", b"\0" * 64)), UNREADABLE),
    Case("measures an ONNX model that is JSON", _bench(_write("model.onnx", b'{"a": 1}')), UNREADABLE),
    Case("measures an ONNX model that is a web page", _bench(_write("model.onnx", b"<!doctype html>")), UNREADABLE),
    Case(
        "measures an ONNX model that is a Git LFS pointer",
        _bench(_write("model.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")),
        UNREADABLE,
    ),
    Case(
        "measures an ONNX model without an output", _bench(_proto(lambda m: m.graph.ClearField("output"))), UNREADABLE
    ),
    Case(
        "measures an ONNX model that gives hidden states only",
        _bench(_output("last_hidden_state")),
        ("no output 'logits', only last_hidden_state", "export it again"),
    ),
    Case("measures a folder of ONNX models with other names", _bench(_rename), ("neither model.onnx", "onnx")),
    Case(
        "measures an ONNX model behind a dangling link", _bench(_dangle), ("neither model.onnx", "name a model folder")
    ),
    Case("measures an ONNX model that links to itself", _bench(_loop), ("neither model.onnx", "name a model folder")),
    Case(
        "measures a folder that holds both kinds of model",
        _bench(_write("model.safetensors", b"")),
        ("both model.onnx and model.safetensors", "name the file"),
    ),
    Case("measures an ONNX model compiled", _bench(_nothing, model="onnx@compiled"), ("@compiled", "leave it out")),
    Case("measures an ONNX model eagerly", _bench(_nothing, model="onnx@eager"), ("@eager", "leave it out")),
    Case("measures with a runtime that is none", _bench(_nothing, model="onnx@fast"), ("onnx@fast", "no such file")),
    Case("measures an ONNX model without its config", _bench(_remove("config.json")), ("no config.json beside",)),
    Case(
        "measures an ONNX model whose config is a list",
        _bench(_write("config.json", b"[]")),
        ("config.json", "no JSON object"),
    ),
    Case(
        "measures an ONNX model whose config is a text", _bench(_write("config.json", b"bert")), ("config.json", "JSON")
    ),
    Case(
        "measures an ONNX model without its tokenizer",
        _bench(_remove("tokenizer.json", "tokenizer_config.json")),
        ("onnx: no tokenizer there", "copy"),
    ),
    Case(
        "measures an ONNX model with an input of another name",
        _bench(_input("token_type_ids", "segments"), "--evaluator", "accuracy"),
        ("wants 'segments'", "export it again"),
    ),
    Case(
        "measures the accuracy of an ONNX model whose logits are NaN",
        _bench(_proto(_nan), "--evaluator", "accuracy"),
        ("onnx: its logits are not finite", "16 of 16 examples", "example 1:"),
    ),
    Case(
        "measures an ONNX model with logits of one rank more",
        _bench(_proto(_more_ranks), "--evaluator", "accuracy"),
        ("logits have the shape (16, 1, 2)", "another task"),
    ),
    Case(
        "measures an ONNX model with a vocabulary cut off",
        _bench(_proto(_fewer_words), "--evaluator", "accuracy"),
        ("cannot run a batch", "beyond its vocabulary"),
    ),
    Case(
        "measures the accuracy of a checkpoint whose weights are NaN",
        _bench(_fill(float("nan")), "--evaluator", "accuracy", asset="predecessor"),
        ("16 of 16 examples", *KEPT),
    ),
    Case("measures with no thread", _bench(_nothing, "--threads", "0"), ("threads", "greater than or equal to 1")),
    Case("measures with minus one thread", _bench(_nothing, "--threads", "-1"), ("threads", "equal to 1")),
    Case("measures with a million threads", _bench(_nothing, "--threads", "1000000"), ("threads", "equal to 1024")),
    Case("measures in no round", _bench(_nothing, "--set", "latency.rounds=0"), ("latency.rounds", "equal to 1")),
    Case("measures in rounds without end", _bench(_nothing, "--set", "latency.rounds=1000000000"), ("latency.rounds",)),
    Case("measures the shape 0x0", _bench(_nothing, "--set", "latency.shapes=['0x0']"), SHAPE),
    Case("measures a shape without its length", _bench(_nothing, "--set", "latency.shapes=['1x']"), SHAPE),
    Case("measures a shape of letters", _bench(_nothing, "--set", "latency.shapes=[axb]"), SHAPE),
    Case(
        "measures a shape of a hundred million tokens",
        _bench(_nothing, "--set", "latency.shapes=[1x99999999]"),
        ("latency.shapes", "too large"),
    ),
    Case(
        "measures a batch of a billion examples",
        _bench(_nothing, "--set", "memory.shape='999999999'"),
        ("memory.shape", "too large"),
    ),
    Case(
        "measures a shape beyond the positions",
        _bench(_nothing, "--evaluator", "latency", "--set", "latency.shapes=[1x65]"),
        ("onnx: shape 1x65", "64 positions"),
    ),
    Case(
        "measures the memory at a shape beyond the positions",
        _bench(_nothing, "--evaluator", "memory", "--set", "memory.shape=1x65"),
        ("onnx: shape 1x65", "64 positions"),
    ),
    Case(
        "measures nothing at all",
        _bench(_nothing, "--evaluator", "latency", "--set", "latency.shapes=[]", "--set", "latency.task_examples=0"),
        ("nothing to time", "set shapes"),
    ),
    Case(
        "measures bursts without end", _bench(_nothing, "--set", "latency.min_seconds=.inf"), ("latency.min_seconds",)
    ),
    Case("measures until the noise is NaN", _bench(_nothing, "--set", "latency.noise=.nan"), ("latency.noise",)),
    Case("measures in batches of none", _bench(_nothing, "--set", "accuracy.batch_size=0"), ("accuracy.batch_size",)),
    Case("exports weights that are NaN", _export(spoil=_fill(float("nan"))), ("16 of 16 examples", *KEPT)),
    Case("exports weights that are infinite", _export(spoil=_fill(float("inf"), "classifier.weight")), KEPT),
    Case(
        "exports a NaN layer in int8",
        _export("--precision", "int8-dynamic", spoil=_fill(float("nan"), "bert.encoder.layer.2.output.dense.weight")),
        KEPT,
    ),
    Case("exports with no tolerance", _export("--tolerance", "0"), ("tolerance", "greater than 0")),
    Case("exports with a tolerance that is NaN", _export("--tolerance", "nan"), ("tolerance", "finite")),
    Case("exports with an infinite tolerance", _export("--tolerance", "inf"), ("tolerance", "finite")),
    Case("exports compared on no example", _export("--examples", "0"), ("examples", "equal to 1")),
    Case("exports with an infinite drop of the metric", _export("--max-drop", "inf"), ("max_drop", "finite")),
    Case(
        "leaves out a node that fp16 does not know",
        _export("--precision", "fp16", "--leave-out", "Gelu_x"),
        ("no node 'Gelu_x' that fp16 changes", "did you mean"),
    ),
    Case(
        "ranks queries of a misspelt relation",
        _rank("a\tparnet\tb\na\tparnet\tc\n"),
        ("queries0.txt, line 1", "relation 'parnet'", "did you mean 'parent'"),
    ),
    Case(
        "ranks a misspelt relation in the second file",
        _rank("a\tlikes\tc\na\tlikes\tb\n", "\na\tPARENT\tb\na\tPARENT\tc\n"),
        ("queries1.txt, line 2", "relation 'PARENT' is not in the graph"),
    ),
    Case(
        "ranks queries of another graph",
        _rank("x\tlikes\ty\nx\tlikes\tz\n"),
        ("queries0.txt, line 1", "entity 'x' is not in the graph", "facts"),
    ),
    Case(
        "explains a fact of an unknown relation", _explain("a", "hates", "c"), ("relation 'hates' is not in the graph",)
    ),
    Case("explains a fact of an unknown entity", _explain("q", "likes", "c"), ("entity 'q' is not in the graph",)),
]
