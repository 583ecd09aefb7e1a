import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from theseus_plugin.onnx.cpu import suit_cpu

RANDOM = np.random.default_rng(1)
WIDTH = 6


def weights(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def model(node, constants, outputs):
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", "length", WIDTH]) for n in ("x", "y")]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([node], "g", inputs, made, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def run(made, feeds):
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_sum_and_norm_are_the_same_in_parts(bias, residual):
    x, y = weights(2, 3, WIDTH), weights(2, 3, WIDTH)
    constants = {"gamma": weights(WIDTH), "beta": weights(WIDTH)} | ({"bias": weights(WIDTH)} if bias else {})
    outputs = ["out", "", "", "residual"] if residual else ["out"]
    node = helper.make_node(
        "SkipLayerNormalization", ["x", "y", *constants], outputs, domain="com.microsoft", epsilon=0.01, name="norm"
    )
    made = model(node, constants, [name for name in outputs if name])
    total = x + y + constants.get("bias", 0)
    deviation = np.sqrt(total.var(-1, keepdims=True) + 0.01)
    expected = (total - total.mean(-1, keepdims=True)) / deviation * constants["gamma"] + constants["beta"]
    assert suit_cpu(made.graph) == 1
    assert "SkipLayerNormalization" not in {node.op_type for node in made.graph.node}
    given = run(made, {"x": x, "y": y})
    np.testing.assert_allclose(given[0], expected, atol=1e-5)
    if residual:
        np.testing.assert_allclose(given[1], total, atol=1e-6)


def test_the_runtime_does_not_fuse_them_again(tmp_path):
    """With Add in the place of Sum it would."""
    import onnx

    constants = {"gamma": weights(WIDTH), "beta": weights(WIDTH)}
    node = helper.make_node("SkipLayerNormalization", ["x", "y", *constants], ["out"], domain="com.microsoft", name="n")
    made = model(node, constants, ["out"])
    suit_cpu(made.graph)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ran = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert ran == {"Sum", "LayerNormalization"}


def test_gelu_with_its_bias_apart():
    from scipy.special import erf

    x, bias = weights(2, 3, WIDTH), weights(WIDTH)
    node = helper.make_node("BiasGelu", ["x", "bias"], ["out"], domain="com.microsoft", name="gelu")
    made = model(node, {"bias": bias}, ["out"])
    assert suit_cpu(made.graph) == 1
    assert [node.op_type for node in made.graph.node] == ["Add", "Gelu"]
    total = x + bias
    np.testing.assert_allclose(run(made, {"x": x, "y": x})[0], total * (1 + erf(total / np.sqrt(2))) / 2, atol=1e-6)


def test_a_graph_without_either_is_left_alone():
    node = helper.make_node("Add", ["x", "y"], ["out"], name="add")
    made = model(node, {}, ["out"])
    before = made.SerializeToString()
    assert suit_cpu(made.graph) == 0
    assert made.SerializeToString() == before
