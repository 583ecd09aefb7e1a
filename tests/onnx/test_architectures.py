"""Every architecture: the same logits for shapes never traced, and the fused nodes that ONNX Runtime can have."""

import onnx
import onnxruntime
import pytest
from numpy.testing import assert_allclose

from tests.random_models import head_of, random_batch, random_model, stock_logits
from theseus_plugin.onnx.convert import OPSETS, convert, model_inputs
from theseus_plugin.onnx.cpu import suit_cpu
from theseus_plugin.onnx.first_query import keep_first_query
from theseus_plugin.onnx.first_token import keep_first_token
from theseus_plugin.onnx.fusion import fuse

READ_FIRST = {"bert", "roberta", "xlm-roberta", "distilbert", "electra", "mpnet", "albert", "deberta-v2", "vit"}
"""Those whose head reads the first token alone; the others read the last one, or all."""
LAYERS = 2  # of every model here but ModernBERT, which has 4
ENCODER = {
    "Attention": LAYERS,
    "BiasGelu": LAYERS,
    "EmbedLayerNormalization": 1,
    "SkipLayerNormalization": 2 * LAYERS,
}
FUSED = {
    "bert": ENCODER,
    "roberta": ENCODER,
    "xlm-roberta": ENCODER,
    "distilbert": ENCODER,
    "electra": ENCODER | {"Gelu": 1},  # of its head
    # its relative positions are added to the scores, which is no pattern of the optimizer
    "mpnet": {key: count for key, count in ENCODER.items() if key != "Attention"},
    # the optimizer mistakes the projection before the first layer for the output of its attention
    "albert": {
        "Attention": LAYERS - 1,
        "EmbedLayerNormalization": 1,
        "FastGelu": LAYERS,
        "SkipLayerNormalization": 2 * LAYERS,
    },
    "deberta-v2": {"BiasGelu": LAYERS, "Gelu": 1, "SkipLayerNormalization": 2 * LAYERS},
    "modernbert": {"Gelu": 4 + 1, "SkipLayerNormalization": 2 * 4},
    "gpt2": {"FastGelu": LAYERS, "SkipLayerNormalization": 2 * LAYERS},
    "t5": {"SkipSimplifiedLayerNormalization": 5 * LAYERS - 1},
    "vit": {"BiasGelu": LAYERS, "SkipLayerNormalization": 2 * LAYERS},
}
TRACED = (2, 14, "right")
OTHERS = [
    (1, 1, "none"),
    (1, 3, "none"),
    (5, 3, "right"),
    (5, 9, "left"),
    (5, 12, "none"),
    (2, 40, "right"),
    (3, 33, "left"),
    (1, 60, "none"),
    (5, 60, "right"),
    (5, 60, "left"),
]


def session(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def assert_equal_logits(file, model, shapes=OTHERS):
    opened = session(file)
    seen = []
    for shape in shapes:
        batch = random_batch(model, *shape)
        expected = stock_logits(model, batch)
        assert_allclose(opened.run(["logits"], batch)[0], expected, atol=1e-5, err_msg=str(shape))
        seen.extend(expected.reshape(-1, expected.shape[-1]))
    assert max(abs(a - b).max() for a in seen for b in seen[:1]) > 1e-2  # else any graph would do


@pytest.fixture(scope="module", params=FUSED)
def converted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    model = random_model(request.param, head_of(request.param))
    exporter = convert(model, random_batch(model, *TRACED), folder / "model.onnx", OPSETS[0])
    nodes = fuse(folder / "model.onnx", folder / "fused.onnx", model.config.num_attention_heads, 32)
    return request.param, model, folder, exporter, nodes


def test_the_plain_graph_holds_for_other_shapes(converted):
    _, model, folder, exporter, _ = converted
    assert exporter == "torchscript"
    assert_equal_logits(folder / "model.onnx", model)


def test_so_does_the_fused_one(converted):
    _, model, folder, _, _ = converted
    assert_equal_logits(folder / "fused.onnx", model)


def test_so_does_the_one_for_the_cpu(converted):
    name, model, folder, _, _ = converted
    graph = onnx.load(folder / "fused.onnx")
    assert bool(keep_first_token(graph.graph)) == (name in READ_FIRST)
    fused_last = name in READ_FIRST and "Attention" in FUSED[name]
    assert keep_first_query(graph.graph) == fused_last
    assert sum(node.op_type == "MultiHeadAttention" for node in graph.graph.node) == fused_last
    suit_cpu(graph.graph)
    onnx.save(graph, folder / "cpu.onnx")
    assert_equal_logits(folder / "cpu.onnx", model)


def test_fused_nodes(converted):
    name, _, folder, _, nodes = converted
    assert nodes == FUSED[name]
    graph = onnx.load(folder / "fused.onnx").graph
    if "Attention" in nodes and name != "albert":
        assert "Softmax" not in {node.op_type for node in graph.node}
    # what fits this machine alone, such as convolutions in blocks of its vector width, has a domain of its own
    assert {node.domain for node in graph.node} <= {"", "com.microsoft"}


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("opset", OPSETS[1:])
def test_later_opsets_fuse_as_well(name, opset, tmp_path):
    model = random_model(name)
    convert(model, random_batch(model, *TRACED), tmp_path / "model.onnx", opset)
    assert onnx.load(tmp_path / "model.onnx").opset_import[0].version == opset
    assert fuse(tmp_path / "model.onnx", tmp_path / "fused.onnx", 2, 32) == ENCODER
    assert_equal_logits(tmp_path / "fused.onnx", model, OTHERS[1::3])


@pytest.mark.parametrize(("types", "segments"), [(1, False), (2, True)])
def test_roberta_with_and_without_segments(types, segments, tmp_path):
    """A table of one segment goes into the positions'; a table of several stays an input of the fused node."""
    model = random_model("roberta", type_vocab_size=types)
    convert(model, random_batch(model, *TRACED), tmp_path / "model.onnx", OPSETS[0])
    fuse(tmp_path / "model.onnx", tmp_path / "fused.onnx", 2, 32)
    graph = onnx.load(tmp_path / "fused.onnx").graph
    embedding = next(node for node in graph.node if node.op_type == "EmbedLayerNormalization")
    assert bool(embedding.input[1]) == bool(embedding.input[4]) == segments
    assert embedding.input[8]  # the positions
    assert_equal_logits(tmp_path / "fused.onnx", model)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert"])
def test_logits_of_tokens_have_a_dynamic_length(name, tmp_path):
    model = random_model(name, "TokenClassification")
    convert(model, random_batch(model, *TRACED), tmp_path / "model.onnx", OPSETS[0])
    fuse(tmp_path / "model.onnx", tmp_path / "fused.onnx", 2, 32)
    for file in ("model.onnx", "fused.onnx"):
        (output,) = session(tmp_path / file).get_outputs()
        assert output.shape == ["batch", "length", 3]
        assert_equal_logits(tmp_path / file, model, OTHERS[1::3])


def test_what_one_exporter_lacks_the_other_has(tmp_path, capfd):
    """FNet's Fourier transform; no attention, no mask."""
    model = random_model("fnet", num_hidden_layers=1)
    assert convert(model, random_batch(model, *TRACED), tmp_path / "model.onnx", OPSETS[0]) == "dynamo"
    assert_equal_logits(tmp_path / "model.onnx", model)
    assert capfd.readouterr() == ("", "")


def test_a_length_that_one_exporter_bakes_in_is_dynamic_with_the_other(tmp_path):
    """DeBERTa's first version cuts its table of relative positions to the traced length."""
    model = random_model("deberta", num_hidden_layers=1)
    batch = random_batch(model, *TRACED)
    convert(model, batch, tmp_path / "traced.onnx", OPSETS[0], exporters=["torchscript"])
    with pytest.raises(Exception, match="GatherElements"):
        session(tmp_path / "traced.onnx").run(None, random_batch(model, 1, 60))
    assert convert(model, batch, tmp_path / "model.onnx", OPSETS[0], exporters=["dynamo"]) == "dynamo"
    assert_equal_logits(tmp_path / "model.onnx", model)


def test_inputs_are_what_both_the_task_and_the_model_know():
    example = {"attention_mask": [1], "input_ids": [1], "token_type_ids": [0], "labels": 1, "text": "a"}
    assert model_inputs(random_model("distilbert"), example) == ["attention_mask", "input_ids"]
    assert model_inputs(random_model("vit", "ImageClassification"), {"pixel_values": [], "labels": 0}) == [
        "pixel_values"
    ]
