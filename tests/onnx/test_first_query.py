"""One attention node made by hand; the expected values by numpy."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from theseus_plugin.onnx.first_query import keep_first_query
from theseus_plugin.onnx.first_token import keep_first_token

RANDOM = np.random.default_rng(3)
HEADS, WIDTH = 2, 8
WEIGHT = RANDOM.normal(size=(WIDTH, 3 * WIDTH)).astype(np.float32)
BIAS = RANDOM.normal(size=3 * WIDTH).astype(np.float32)
OUT = RANDOM.normal(size=(WIDTH, WIDTH)).astype(np.float32)


def model(masked=True, outputs=("out",), **attributes):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length", WIDTH])]
    inputs += [helper.make_tensor_value_info("mask", TensorProto.INT32, ["batch", "length"])] * masked
    taken = ["x", "w", "b", *["mask"] * masked]
    nodes = [
        helper.make_node(
            "Attention", taken, ["attended"], "att", domain="com.microsoft", num_heads=HEADS, **attributes
        ),
        helper.make_node("MatMul", ["attended", "o"], ["product"], "product"),
        helper.make_node("Gather", ["product", "zero"], ["out"], "first", axis=1),
    ]
    constants = {"w": WEIGHT, "b": BIAS, "o": OUT, "zero": np.array(0)}
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, made, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def by_hand(x, mask):
    """Softmax attention of the first token to all that are not masked, then the product."""
    q, k, v = np.split(x @ WEIGHT + BIAS, 3, axis=-1)
    result = np.zeros((len(x), WIDTH))
    for row in range(len(x)):
        for head in range(HEADS):
            part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            scores = k[row, :, part] @ q[row, 0, part] / np.sqrt(WIDTH / HEADS)
            weights = np.exp(scores - scores.max()) * mask[row]
            result[row, part] = weights / weights.sum() @ v[row, :, part]
    return result @ OUT


def run(made, feeds):
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()})[0]


@pytest.mark.parametrize("masked", [True, False])
def test_the_first_token_alone_asks(masked):
    x = RANDOM.normal(size=(3, 5, WIDTH)).astype(np.float32)
    mask = np.ones((3, 5), dtype=np.int32)
    if masked:
        mask[1, 3:] = mask[2, :2] = 0
    made = model(masked)
    keep_first_token(made.graph)
    assert keep_first_query(made.graph) == 1
    counted = [node.op_type for node in made.graph.node]
    assert "Attention" not in counted
    assert counted.count("MatMul") == 4
    np.testing.assert_allclose(run(made, {"x": x, "mask": mask}), by_hand(x, mask), atol=1e-5)
    assert {tensor.name for tensor in made.graph.initializer}.isdisjoint({"w"})


@pytest.mark.parametrize("case", ["causal", "read elsewhere", "not cut before", "weights in a data file"])
def test_nodes_that_are_left_alone(case):
    made = model(
        outputs=("out", "attended") if case == "read elsewhere" else ("out",), unidirectional=int(case == "causal")
    )
    if case != "causal":
        for node in made.graph.node:
            for attribute in [a for a in node.attribute if a.name == "unidirectional"]:
                node.attribute.remove(attribute)
    if case != "not cut before":
        keep_first_token(made.graph)
    if case == "weights in a data file":
        made.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    before = made.SerializeToString()
    assert keep_first_query(made.graph) == 0
    assert made.SerializeToString() == before
