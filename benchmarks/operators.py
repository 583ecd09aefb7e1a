"""Are fused nodes faster than their parts on this CPU? The reason for `theseus_plugin/onnx/cpu.py`.

    python -m benchmarks operators            # half a minute
    python -m benchmarks operators --check    # what is committed against the claim

Record: `benchmarks/results/operators.jsonl`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import suite
from benchmarks.records import Records
from theseus_plugin.cores import usable_cores
from theseus_plugin.measure.statistics import ratio, summary
from theseus_plugin.measure.worker import repeat
from theseus_plugin.provenance import environment

RECORDS = Records("operators")
WIDTH = 384
SHAPES = ((1, 16), (1, 128), (32, 64))
ROUNDS = 30
Node = tuple[str, tuple[str, ...], str]
"""Operator, inputs, output."""
FORMS: dict[str, dict[str, Sequence[Node]]] = {
    "sum and norm": {
        "fused": [("SkipLayerNormalization", ("x", "y", "gamma", "beta", "bias"), "out")],
        "parts": [
            ("Add", ("x", "bias"), "biased"),
            ("Sum", ("biased", "y"), "total"),
            ("LayerNormalization", ("total", "gamma", "beta"), "out"),
        ],
    },
    "gelu": {"fused": [("BiasGelu", ("x", "bias"), "out")], "parts": [("Gelu", ("x",), "out")]},
}
"""The bias of the second form is added by the 8-bit product before it, at no cost of its own."""
OURS = ("SkipLayerNormalization", "BiasGelu", "Gelu")


def main() -> None:
    """Measure both forms of each, unless the record is only to be checked; print it."""
    suite.answer(suite.parser("operators", __doc__), lambda _: _measure_all(), lambda: [RECORDS], tell)


def tell() -> bool:
    """Print the record, and say whether the parts of every form are clearly faster."""
    rows = RECORDS["operators"]["rows"]
    for row in rows:
        low, high = row["ratio"]["interval"]
        print(  # noqa: T201
            f"{row['form']:<13} {row['shape']:<7} fused {row['fused']['median_ms']:.3f} ms,"
            f" parts {row['parts']['median_ms']:.3f} ms: {row['ratio']['median']:.2f}x ({low:.2f}-{high:.2f})"
        )
    large = [row for row in rows if row["shape"] == "32x64"]
    return all(row["ratio"]["clear"] and row["ratio"]["median"] > 1 for row in large)


def measure(form: str, shape: tuple[int, int]) -> dict[str, Any]:
    """Both forms of an operator on inputs of a shape, in rounds that go forth and back."""
    width = WIDTH if form == "sum and norm" else 4 * WIDTH
    calls = [_call(nodes, (*shape, width)) for nodes in FORMS[form].values()]
    for call in calls:
        repeat([call], 0.2, 10)
    rounds: list[list[list[float]]] = [[[] for _ in range(ROUNDS)] for _ in calls]
    for turn in range(ROUNDS):
        for at in (0, 1, 1, 0):
            rounds[at][turn] += [ns / 1e6 for ns in repeat([calls[at]], 0.03, 5)]
    fused, parts = rounds
    return {
        "form": form,
        "shape": f"{shape[0]}x{shape[1]}",
        "width": width,
        "fused": summary(fused),
        "parts": summary(parts),
        "ratio": ratio(fused, parts),
    }


def _measure_all() -> None:
    rows = [measure(form, shape) for form in FORMS for shape in SHAPES]
    RECORDS.put("operators", {"rows": rows, "environment": environment()})


def _call(nodes: Sequence[Node], shape: tuple[int, ...]) -> Callable[[], object]:
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime import InferenceSession, SessionOptions

    random = np.random.default_rng(0)
    made = [
        helper.make_node(kind, list(inputs), [output], domain="com.microsoft" if kind in OURS else "")
        for kind, inputs, output in nodes
    ]
    used = {name for _, inputs, _ in nodes for name in inputs}
    constants = [
        numpy_helper.from_array(random.normal(size=shape[-1]).astype(np.float32), name)
        for name in ("gamma", "beta", "bias")
        if name in used
    ]
    feeds = {name: random.normal(size=shape).astype(np.float32) for name in ("x", "y") if name in used}
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None, shape[-1]]) for name in feeds]
    graph = helper.make_graph(
        made, "g", given, [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)], constants
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    options = SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


if __name__ == "__main__":
    main()
