"""The graphs are made by hand; the expected values by numpy."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from theseus_plugin.onnx.first_token import keep_first_token

RANDOM = np.random.default_rng(0)
WIDTH = 4


def weights(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def model(nodes, constants, outputs=("out",)):
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", "length", WIDTH])]
    made = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, made, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def run(made, x):
    onnx.checker.check_model(made) if all(n.domain == "" for n in made.graph.node) else None
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )


def pick(name, out="out", index=0):
    return helper.make_node("Gather", [name, "index"], [out], axis=1), {"index": np.array(index)}


def shapes_at_run_time(made, x, names):
    """Shapes of inner tensors, as the runtime computes them."""
    observed = onnx.ModelProto.FromString(made.SerializeToString())
    del observed.graph.output[:]
    observed.graph.output.extend(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [array.shape for array in session.run(None, {"x": x})]


def block():
    """x -> identity, which keeps all tokens; then what treats each by itself: product, GELU, norm of a sum."""
    w, bias, gamma, beta = weights(WIDTH, WIDTH), weights(WIDTH), weights(WIDTH), weights(WIDTH)
    nodes = [
        helper.make_node("Softmax", ["x"], ["attended"], axis=1),
        helper.make_node("MatMul", ["attended", "w"], ["product"]),
        helper.make_node("BiasGelu", ["product", "bias"], ["active"], domain="com.microsoft"),
        helper.make_node(
            "SkipLayerNormalization", ["active", "x", "gamma", "beta"], ["normed"], domain="com.microsoft"
        ),
    ]
    return nodes, {"w": w, "bias": bias, "gamma": gamma, "beta": beta}


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 2)])
def test_only_the_first_token_goes_through_the_block_and_the_result_is_the_same(shape):
    nodes, constants = block()
    choice, index = pick("normed")
    made = model([*nodes, choice], constants | index)
    x = weights(*shape, WIDTH)
    (expected,) = run(made, x)
    assert keep_first_token(made.graph) == 3
    np.testing.assert_allclose(run(made, x)[0], expected, atol=1e-6)
    inner = shapes_at_run_time(made, x, ["attended", "product", "active", "normed"])
    assert inner == [(*shape, WIDTH)] + [(shape[0], 1, WIDTH)] * 3


def test_what_other_tokens_are_needed_of_is_computed_in_full():
    """The second product mixes tokens again, so only what follows it may be cut."""
    nodes, constants = block()
    nodes += [
        helper.make_node("Softmax", ["normed"], ["mixed"], axis=1),
        helper.make_node("MatMul", ["mixed", "w"], ["last"]),
        pick("last")[0],
    ]
    made = model(nodes, constants | pick("last")[1])
    x = weights(2, 5, WIDTH)
    (expected,) = run(made, x)
    assert keep_first_token(made.graph) == 1
    np.testing.assert_allclose(run(made, x)[0], expected, atol=1e-6)
    assert shapes_at_run_time(made, x, ["normed", "last"]) == [(2, 5, WIDTH), (2, 1, WIDTH)]


@pytest.mark.parametrize("case", ["another token", "two readers", "an output", "no choice", "a product of two tensors"])
def test_graphs_that_are_left_alone(case):
    nodes, constants = block()
    outputs = ["out"]
    choice, index = pick("normed", index=1 if case == "another token" else 0)
    if case == "two readers":
        nodes.append(helper.make_node("ReduceMax", ["normed"], ["largest"], axes=[1], keepdims=0))
        outputs.append("largest")
    if case == "an output":
        outputs.append("normed")
    if case == "no choice":
        choice = helper.make_node("ReduceMax", ["normed"], ["out"], axes=[1], keepdims=0)
    if case == "a product of two tensors":
        nodes.append(helper.make_node("Transpose", ["normed"], ["turned"], perm=[0, 2, 1]))
        nodes.append(helper.make_node("MatMul", ["normed", "turned"], ["scores"]))
        choice = pick("scores")[0]
    made = model([*nodes, choice], constants | index, outputs)
    before = made.SerializeToString()
    assert keep_first_token(made.graph) == 0
    assert made.SerializeToString() == before
