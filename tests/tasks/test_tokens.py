from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.tiny import save_tiny, save_tokenizer, tiny_config
from theseus_plugin.checkpoint import load_config, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.tasks import tokens
from theseus_plugin.tasks.tokens import Padding, longest_input, require_equal_ends, tokenize

TEXTS = ["good", "the film was not good", "a dull movie", "bad", "the a an is was and of to in film"]
OTHERS = [
    "bad",
    "a",
    "the movie was not bad and not good",
    "in",
    "the film is dull and bad not to the good",
]


@pytest.fixture(params=["bert", "roberta", "distilbert"])
def tokenizer(request, tmp_path):
    return load_tokenizer(str(save_tiny(tmp_path, request.param, layers=1)))


def test_examples_are_those_of_the_tokenizer(tokenizer):
    examples, cut = tokenize(tokenizer, [TEXTS, OTHERS], range(5), 64)
    assert cut == 0
    for example, text, other, label in zip(examples, TEXTS, OTHERS, range(5), strict=True):
        assert example == {**tokenizer(text, other), "labels": label}
        assert set(example) == {*tokenizer.model_input_names, "labels"}
        assert type(example) is dict and all(type(i) is int for i in example["input_ids"])


@pytest.mark.parametrize("max_length", [8, 9, 12, 16])
@pytest.mark.parametrize("columns", [[TEXTS], [TEXTS, OTHERS]])
@pytest.mark.parametrize("batch", [2, 4096])
def test_cut_examples_are_counted(tokenizer, max_length, columns, batch, monkeypatch):
    monkeypatch.setattr(tokens, "BATCH", batch)
    # every word is one token here
    specials = len(columns) + 1
    full = [sum(len(text.split()) for text in texts) + specials for texts in zip(*columns, strict=True)]
    examples, cut = tokenize(tokenizer, columns, [0] * 5, max_length)
    assert cut == sum(length > max_length for length in full)
    assert [len(example["input_ids"]) for example in examples] == [min(length, max_length) for length in full]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_that_of_the_tokenizer(tmp_path, side):
    tokenizer = load_tokenizer(str(save_tiny(tmp_path, layers=1)))
    tokenizer.padding_side, tokenizer.pad_token_id = side, 7
    examples, _ = tokenize(tokenizer, [TEXTS, OTHERS], [0, 1, 0, 1, 1], 12)
    batch = Padding.of(tokenizer, "int64")(examples)
    expected = tokenizer(TEXTS, OTHERS, truncation=True, max_length=12, padding=True, return_tensors="np")
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    for name, values in expected.items():
        np.testing.assert_array_equal(batch[name], values)
        assert batch[name].dtype == np.int64
    assert (batch["input_ids"][0, 0 if side == "left" else -1]) == 7
    np.testing.assert_array_equal(batch["labels"], np.array([0, 1, 0, 1, 1]))
    assert batch["labels"].dtype == np.int64


def test_batches_are_as_long_as_their_longest_example(tokenizer):
    examples, _ = tokenize(tokenizer, [TEXTS], [0.5, 1, 2, 3, 4.25], 64)
    collate = pickle.loads(pickle.dumps(Padding.of(tokenizer, "float32")))
    assert collate([examples[0], examples[2]])["input_ids"].shape == (2, 5)
    batch = collate(examples)
    assert batch["input_ids"].shape == (5, 12)
    assert batch["attention_mask"].sum(axis=1).tolist() == [3, 7, 5, 3, 12]
    assert batch["labels"].dtype == np.float32
    assert batch["labels"].tolist() == [0.5, 1, 2, 3, 4.25]


def test_longest_input(tmp_path):
    tokenizer = load_tokenizer(str(save_tiny(tmp_path, layers=1)))
    assert longest_input(tokenizer, tiny_config()) == 64
    assert longest_input(tokenizer, tiny_config("roberta")) == 64
    assert longest_input(tokenizer, tiny_config(max_position_embeddings=32)) == 32


def test_checkpoint_without_tokenizer(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no tokenizer there: copy"):
        load_tokenizer(str(tmp_path))


def test_tokenizer_that_cannot_pad(tmp_path):
    save_tokenizer(tmp_path, pad_token=None)
    with pytest.raises(UserError, match="no padding token"):
        load_tokenizer(str(tmp_path))


def test_missing_checkpoint(tmp_path):
    with pytest.raises(UserError, match="gone: no such folder"):
        load_tokenizer(str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"^no-such/model: no configuration there \(.+\): give a"):
        load_config("no-such/model")
    with pytest.raises(UserError, match="no configuration there"):
        load_config(str(tmp_path))


def test_encoder_decoders_read_the_last_end_of_text():
    def example(*ids):
        return {"input_ids": list(ids)}

    require_equal_ends([example(5, 2), example(6, 7, 2)], 2, "a.tsv")
    with pytest.raises(UserError, match=r"a\.tsv, row 1: the checkpoint's tokenizer ends no text"):
        require_equal_ends([example(5, 6)], 2, "a.tsv")
    with pytest.raises(UserError, match=r"a\.tsv, row 2: the end-of-text token stands within the text"):
        require_equal_ends([example(5, 2), example(2, 5, 2)], 2, "a.tsv")


def test_a_tokenizer_without_padding_pads_with_its_end_of_text(tmp_path):
    tokenizer = load_tokenizer(str(save_tokenizer(tmp_path, pad_token=None, eos_token="[SEP]")))
    assert tokenizer.pad_token_id == tokenizer.sep_token_id
    tokenizer.save_pretrained(tmp_path / "again")
    assert load_tokenizer(str(tmp_path / "again")).pad_token == "[SEP]"
