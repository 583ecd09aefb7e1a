"""A machine whose clock moves only when a scripted model runs, and small ONNX files that need no torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from theseus_plugin.contract import Task, TaskData
from theseus_plugin.measure.worker import Worker
from theseus_plugin.options.validation import Options

NS = 1_000_000_000


class Machine:
    """Time, and how slow the machine is at the moment."""

    def __init__(self):
        self.now = 0
        self.slow = 1.0
        self.log = []

    def clock(self):
        return self.now

    def work(self, seconds):
        self.now += round(seconds * self.slow * NS)


class Runtime:
    """A model whose calls take the seconds written down, the last one from then on; loading takes one second."""

    def __init__(self, machine, name, *seconds):
        self.machine, self.name, self.seconds = machine, name, list(seconds)
        machine.work(1)

    def run(self, batch):
        self.machine.work(self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0])
        self.machine.log.append(self.name)
        return np.zeros((1, 2))

    def bind(self, batch):
        return lambda: self.run(batch)


class Process:
    """A worker in this process."""

    def __init__(self, machine, name, *seconds):
        self.worker = Worker(machine.clock, lambda **_: Runtime(machine, name, *seconds))
        self.worker.answer("prepare", {"runtime": "onnxruntime", "file": "", "auto_class": ""})

    def ask(self, question, **details):
        return self.worker.answer(question, details)


def save_onnx(
    folder,
    inputs=("input_ids", "attention_mask"),
    labels=2,
    output="logits",
    dtype=np.float32,
    operators=(),
    metadata=None,
    external=False,
    width=1,
):
    """A graph whose logits are the mean of its first input, times 0, 1, ... in `dtype`; `operators` are only there."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    weight = np.tile(np.arange(labels, dtype=dtype), (width, 1)) / width
    nodes = [
        helper.make_node("Cast", [inputs[0]], ["x"], to=kind),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        # row 0, found in a way that is not computed ahead: the weights stay as they are
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["weight", "place"], ["rows"], axis=0),
        helper.make_node("Flatten", ["rows"], ["row"]),
        helper.make_node("Mul", ["mean", "row"], [output]),
        *(helper.make_node(name, ["x"], [f"unused {name}"]) for name in operators),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.FLOAT if name == "pixel_values" else TensorProto.INT64,
                ["batch", 3, 4, 4] if name == "pixel_values" else ["batch", "length"],
            )
            for name in inputs
        ],
        [helper.make_tensor_value_info(output, kind, ["batch", labels])],
        [onnx.numpy_helper.from_array(weight, "weight"), onnx.numpy_helper.from_array(np.zeros(1, dtype), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = {"save_as_external_data": True, "size_threshold": 0, "location": "model.onnx.data"} if external else {}
    onnx.save(model, folder / "model.onnx", **options)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64}))
    return folder


class Examples(Task):
    """Examples given in the test, with no tokenizer: token ids of several lengths, or images of one size."""

    name = "examples"
    summary = "for tests"
    auto_class = "AutoModelForImageClassification"
    Config = Options

    def __init__(self, images=False, count=9, num_labels=2):
        self.config = Options()
        self.images, self.count, self.num_labels = images, count, num_labels

    def load(self, checkpoint, splits=("train", "validation"), new_head=False):
        if self.images:
            examples = [{"pixel_values": np.full((3, 4, 4), at, np.float32)} for at in range(self.count)]
        else:
            examples = [
                {"input_ids": [1 + at] * (1 + at), "attention_mask": [1] * (1 + at)} for at in range(self.count)
            ]
        examples = [{**example, "labels": at % 2} for at, example in enumerate(examples)]

        def collate(batch):
            arrays = {}
            for name in batch[0]:
                rows = [np.asarray(example[name]) for example in batch]
                if name in ("input_ids", "attention_mask"):
                    width = max(map(len, rows))
                    rows = [np.pad(row, (0, width - len(row))) for row in rows]
                arrays[name] = np.stack(rows)
            return arrays

        def score(logits, labels):
            return {"accuracy": float((logits.argmax(-1) == labels).mean())}

        return TaskData(dict.fromkeys(splits, examples), collate, score, "accuracy", {"num_labels": self.num_labels})
