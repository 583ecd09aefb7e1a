"""How close a model comes to the machine's own limit, its fastest matrix product, measured at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theseus_plugin.measure.statistics import interval
from theseus_plugin.measure.worker import repeat
from theseus_plugin.onnx.session import Session

PRODUCTS = ((2048, 2048, 2048), (1024, 1024, 1024), (2048, 384, 1536), (2048, 1536, 384))
"""Rows, inner size and columns: the large square that is taken for the machine's peak, then products that fit its
caches better, as those of a small encoder do.
"""


def products(config: Mapping[str, Any], batch: int, length: int, first_token: bool) -> int:
    """Floating point operations in the matrix products of a BERT encoder; all that are not products count as none.

    Args:
        config: the checkpoint's `config.json`.
        batch: texts.
        length: tokens per text.
        first_token: whether the last block computes keys and values of all tokens, but all else of the first alone.
    """
    width, inner, blocks = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    keys_and_values = 2 * 2 * width * width
    others = 2 * width * width + 2 * 2 * length * width + 2 * width * width + 2 * 2 * width * inner
    last = 1 if first_token else length
    return int(batch * (blocks * length * keys_and_values + ((blocks - 1) * length + last) * others))


def share_of_peak(file: Path, batch: Mapping[str, np.ndarray], operations: int, rounds: int = 15) -> dict[str, Any]:
    """`operations` per second of a model, as a share of what a large square product reaches in the same round.

    Returns:
        `share` with its `interval` over rounds, `gflops` of the model and `peak_gflops`, medians over rounds; the same
        against the fastest of all `PRODUCTS` as `share_of_fastest`, which is a stricter yardstick.
    """
    model = Session(file, spinning=False)
    calls: list[Callable[[], object]] = [lambda: model.run(batch), *map(_product, PRODUCTS)]
    done = [operations, *(2 * rows * inner * columns for rows, inner, columns in PRODUCTS)]
    for call in calls:
        repeat([call], 0.3, 3)
    rates = np.zeros((rounds, len(calls)))
    for turn in range(rounds):
        times: list[list[int]] = [[] for _ in calls]
        for at in (*range(len(calls)), *reversed(range(len(calls)))):
            times[at] += repeat([calls[at]], 0.1, 3)
        rates[turn] = [operations / float(np.median(spent)) for operations, spent in zip(done, times, strict=True)]
    shares = rates[:, 0] / rates[:, 1]
    draws = np.random.default_rng(0).integers(rounds, size=(1000, rounds))
    return {
        "share": float(np.median(shares)),
        "interval": interval(np.median(shares[draws], axis=1)),
        "gflops": float(np.median(rates[:, 0])),
        "peak_gflops": float(np.median(rates[:, 1])),
        "share_of_fastest": float(np.median(rates[:, 0] / rates[:, 1:].max(axis=1))),
        "products_gflops": {
            "x".join(map(str, p)): float(np.median(r)) for p, r in zip(PRODUCTS, rates.T[1:], strict=True)
        },
    }


def _product(sizes: Sequence[int]) -> Callable[[], object]:
    """A product with a constant, by the runtime that runs the model."""
    import onnx
    from onnx import helper, numpy_helper
    from onnxruntime import InferenceSession, SessionOptions

    from theseus_plugin.cores import usable_cores

    rows, inner, columns = sizes
    random = np.random.default_rng(0)
    weight = numpy_helper.from_array(random.normal(size=(inner, columns)).astype(np.float32), "w")
    given = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [rows, inner])
    made = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [rows, columns])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "product", [given], [made], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = random.normal(size=(rows, inner)).astype(np.float32)
    return lambda: session.run(None, {"x": x})
