import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.measure.scripted import Examples
from tests.tiny import save_decoder
from theseus_plugin.contract import TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.measure.inputs import Inputs, parse_shape
from theseus_plugin.measure.models import resolve
from theseus_plugin.recipe import load_recipe


def of(examples):
    return Inputs(TaskData({"validation": examples}, lambda batch: batch, lambda *_: {}, "m", {}))


def loaded(**options):
    return Inputs(Examples(**options).load(""))


def folder(tmp_path, config="{}"):
    (tmp_path / "config.json").write_text(config)
    return tmp_path


def test_shapes_as_written():
    assert parse_shape("32x64") == (32, 64)
    assert parse_shape("32") == (32, None)


@pytest.mark.parametrize("shape", ["", "1x", "x8", "0x8", "0", "ax8", "1x8x2", "-1x8", "1x0"])
def test_a_shape_that_is_none(shape):
    with pytest.raises(ValueError, match="write BATCHxLENGTH"):
        parse_shape(shape)


def test_a_shape_with_a_length_is_the_tokens_of_the_examples_without_padding():
    arrays = of(
        [
            {"input_ids": [1, 2, 3], "token_type_ids": [0, 0, 1], "attention_mask": [1, 1, 1], "labels": 0},
            {"input_ids": [4, 5], "token_type_ids": [0, 1], "attention_mask": [1, 1], "labels": 1},
        ]
    ).batch("2x4")
    assert arrays["input_ids"].tolist() == [[1, 2, 3, 4], [5, 1, 2, 3]]
    assert arrays["token_type_ids"].tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]
    assert arrays["attention_mask"].tolist() == [[1] * 4] * 2
    assert "labels" not in arrays


def test_a_shape_without_one_is_real_examples_padded_to_the_longest():
    arrays = loaded().batch("4")
    assert arrays["input_ids"].shape[0] == 4
    real = arrays["attention_mask"].sum(axis=1)
    assert real.max() == arrays["input_ids"].shape[1] > real.min()
    assert loaded(count=3).batch("7")["input_ids"].shape == (7, 3)


def test_examples_that_are_not_tokens_know_no_length(tmp_path):
    images = loaded(images=True)
    assert images.shapes(["1x16", "1x64", "32x64"], tmp_path) == ["1", "32"]
    assert {name: array.shape for name, array in images.batch("2").items()} == {"pixel_values": (2, 3, 4, 4)}
    assert images.lengths(images.sample(4, 0)) is None


def test_a_feature_that_is_not_of_the_tokens_wants_a_real_batch():
    inputs = of([{"input_ids": [1, 2], "box": [[0, 0], [1, 1]], "labels": 0}])
    with pytest.raises(UserError, match="2x4 cannot be made: 'box' is not one number per token; write 2"):
        inputs.batch("2x4")


def test_a_shape_longer_than_the_model(tmp_path):
    inputs = loaded()
    positions = folder(tmp_path, '{"model_type": "bert", "max_position_embeddings": 64}')
    assert inputs.shapes(["1x64", "9", "1x64"], positions) == ["1x64", "9"]
    with pytest.raises(UserError, match="1x65 is longer than the model's 64 positions"):
        inputs.shapes(["1x64", "1x65"], positions)
    with pytest.raises(UserError, match="1x65 is longer than the model's 64 positions"):
        inputs.shapes(["1x65"], folder(tmp_path, '{"model_type": "gpt2", "n_positions": 64}'))
    with pytest.raises(UserError, match="1x65 is longer than the model's 64 positions"):
        inputs.shapes(["1x65"], folder(tmp_path, '{"model_type": "roberta", "max_position_embeddings": 66}'))
    for endless in ('{"model_type": "t5", "n_positions": 64}', '{"model_type": "xlnet"}'):
        assert inputs.shapes(["1x65"], folder(tmp_path, endless)) == ["1x65"]


@pytest.mark.parametrize("shape", ["1x99999999", "99999999", "2048x4096", "9" * 5000])
def test_a_shape_that_fits_no_memory(shape):
    with pytest.raises(ValueError, match=r"is too large: at most 4,194,304|is no shape"):
        parse_shape(shape)
    assert parse_shape("2048x2048") == (2048, 2048)


PAIRS = [
    {"input_ids": [5, 6, 9, 7, 9], "token_type_ids": [0, 0, 0, 1, 1], "labels": 0},
    {"input_ids": [8, 9, 9], "token_type_ids": [0, 0, 1], "labels": 1},
]


def test_rows_for_an_encoder_decoder_end_once():
    data = TaskData({"validation": PAIRS}, lambda batch: batch, lambda *_: {}, "m", {})
    for size, length in ((2, 4), (1, 1), (3, 7)):
        arrays = Inputs(data, end=9).batch(f"{size}x{length}")
        ids = arrays["input_ids"]
        assert ids.shape == arrays["attention_mask"].shape == arrays["token_type_ids"].shape == (size, length)
        assert ((ids == 9).sum(axis=1) == 1).all() and (ids[:, -1] == 9).all()
    assert Inputs(data, end=9).batch("2x4")["input_ids"].tolist() == [[5, 6, 7, 9], [8, 5, 6, 9]]
    assert Inputs(data, end=9).batch("2x4")["token_type_ids"].tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    alone = TaskData({"validation": [{"input_ids": [9], "labels": 0}]}, lambda batch: batch, lambda *_: {}, "m", {})
    assert Inputs(alone, end=9).batch("2x3")["input_ids"].tolist() == [[9, 9, 9]] * 2


@pytest.mark.parametrize("model_type", ["t5", "bart"])
@pytest.mark.parametrize("text", ["text", ["text", "more"]])
def test_classifiers_read_every_shape(tmp_path, model_type, text):
    """Stock models' heads raise where rows hold unequal numbers of ends."""
    folder = save_decoder(tmp_path / "model", model_type, "SequenceClassification", num_labels=3)
    rows = [f"{'good film ' * at}dull,{'a movie ' * (3 - at % 3)},{at % 3}\n" for at in range(7)]
    (tmp_path / "texts.csv").write_text("text,more,label\n" + "".join(rows))
    files = dict.fromkeys(("train", "validation"), str(tmp_path / "texts.csv"))
    task = load_recipe({"task": {"name": "text-classification", "text": text, **files}}).create_task()
    inputs = Inputs.of(task, resolve(str(folder)))
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for shape in ("1x16", "1x64", "32x16", "5", "1x1"):
        batch = {name: torch.from_numpy(array) for name, array in inputs.batch(shape).items()}
        with torch.no_grad():
            logits = model(**batch).logits
        assert logits.shape == (int(shape.partition("x")[0]), 3)
        assert torch.isfinite(logits).all()


def test_a_sample_has_the_lengths_of_the_whole():
    random = np.random.default_rng(1)
    lengths = random.geometric(0.05, size=2000)
    inputs = of([{"input_ids": [1] * int(n), "labels": 0} for n in lengths])
    chosen = inputs.sample(200, seed=0)
    assert len(set(chosen)) == 200
    shares = (10, 25, 50, 75, 90)
    assert np.percentile(lengths[chosen], shares) == pytest.approx(np.percentile(lengths, shares), abs=2)
    assert chosen == inputs.sample(200, seed=0) != inputs.sample(200, seed=1)
    assert inputs.lengths(chosen)["median"] == int(np.sort(lengths[chosen])[99])
    assert sorted(inputs.sample(5000, seed=0)) == list(range(2000))
