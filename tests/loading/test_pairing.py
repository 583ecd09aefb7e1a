"""A checkpoint's model and its tokenizer that do not agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tests.random_models import KINDS, random_model, torch_logits
from tests.tiny import save_decoder, save_tiny, save_tokenizer
from tests.toy_data import sentences, write_reviews
from theseus_plugin import export, fit
from theseus_plugin.checkpoint import load_config, load_model, load_processor, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.loading.configuration import room_of
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.recipe import load_recipe
from theseus_plugin.tasks.masking import Masks
from theseus_plugin.tasks.tokens import NO_LIMIT, Padding, blocks, longest_input, tokenize

CLASSIFIER = "AutoModelForSequenceClassification"
TEXTS = sentences(12, 20)
TRAINING = {"epochs": 1, "batch_size": 4, "precision": "fp32", "learning_rate": 1e-3}


def edit(folder: Path, name: str = "config.json", **fields: Any) -> Path:
    content = json.loads((folder / name).read_text()) | fields
    (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))
    return folder


def apart(folder: Path, texts: list[str] = TEXTS) -> tuple[np.ndarray, np.ndarray]:
    """Logits of every text alone, and in one padded batch, by what we load."""
    model, tokenizer = load_model(str(folder), CLASSIFIER), load_tokenizer(str(folder))
    examples, _ = tokenize(tokenizer, [texts], [0] * len(texts), 64)
    collate = Padding.of(tokenizer, "int64")

    def logits(chosen: Any) -> np.ndarray:
        batch = {name: torch.from_numpy(array) for name, array in collate(chosen).items() if name != "labels"}
        with torch.no_grad():
            return model(**batch).logits.numpy()

    return np.concatenate([logits([example]) for example in examples]), logits(examples)


def spoilt(folder: Path, family: str, padding: Any, **tokenizer: Any) -> Path:
    save_decoder(folder, family, "SequenceClassification", initializer_range=0.5)
    edit(folder, "tokenizer_config.json", **tokenizer)
    return edit(folder, pad_token_id=padding)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("padding", [0, 5, 9, None, 10_000])
def test_a_text_alone_has_the_logits_it_has_in_a_batch(tmp_path: Path, family: str, padding: int | None) -> None:
    folder = spoilt(tmp_path / "m", family, padding)
    alone, batched = apart(folder)
    np.testing.assert_allclose(batched, alone, atol=1e-5)
    # the head reads the last token that is not the one the tokenizer pads with: stock transformers says the same
    tokenizer = AutoTokenizer.from_pretrained(folder)
    edit(folder, pad_token_id=tokenizer.eos_token_id)
    np.testing.assert_allclose(alone, torch_logits(folder, TEXTS), atol=1e-5)


@pytest.mark.parametrize("family", sorted(set(KINDS) - {"vit", "fnet", "bart", "t5"}))
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_never_counts(tmp_path: Path, family: str, side: str) -> None:
    random_model(family).save_pretrained(tmp_path / "m")
    save_tokenizer(tmp_path / "m", "roberta" if "roberta" in family else "bert")
    edit(tmp_path / "m", "tokenizer_config.json", padding_side=side)
    if family == "distilbert":
        edit(tmp_path / "m", "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])
    alone, batched = apart(tmp_path / "m")
    np.testing.assert_allclose(batched, alone, atol=2e-5)


@pytest.mark.parametrize("family", ["t5", "bart"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_never_counts_for_an_encoder_decoder(tmp_path: Path, family: str, side: str) -> None:
    save_decoder(tmp_path / "m", family, "SequenceClassification")
    edit(edit(tmp_path / "m", "tokenizer_config.json", padding_side=side), pad_token_id=7)
    alone, batched = apart(tmp_path / "m")
    np.testing.assert_allclose(batched, alone, atol=2e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_xlnet_reads_its_last_place(tmp_path: Path, side: str) -> None:
    from transformers import XLNetConfig, XLNetForSequenceClassification

    config = XLNetConfig(vocab_size=160, d_model=32, n_layer=2, n_head=2, d_inner=64, pad_token_id=0)
    XLNetForSequenceClassification(config).save_pretrained(tmp_path / "m")
    save_tokenizer(tmp_path / "m", "roberta", padding_side=side)
    edit(tmp_path / "m", "tokenizer_config.json", model_max_length="gone")
    assert longest_input(load_tokenizer(str(tmp_path / "m")), load_config(str(tmp_path / "m"))) == NO_LIMIT
    alone, batched = apart(tmp_path / "m")
    np.testing.assert_allclose(batched, alone, atol=2e-5)


def test_successor_and_export_name_what_the_tokenizer_pads_with(tmp_path: Path, reviews: dict[str, Any]) -> None:
    folder = spoilt(tmp_path / "m", "llama", 0)
    recipe = load_recipe({"model": str(folder), "predecessor": str(tmp_path / "out"), "task": reviews, "fit": TRAINING})
    fit(recipe)
    assert json.loads((tmp_path / "out/config.json").read_text())["pad_token_id"] == 2
    edit(tmp_path / "out", pad_token_id=7)
    export(str(tmp_path / "out"), str(tmp_path / "onnx"))
    assert json.loads((tmp_path / "onnx/config.json").read_text())["pad_token_id"] == 2
    assert json.loads((tmp_path / "out/config.json").read_text())["pad_token_id"] == 7


@pytest.mark.usefixtures("warm_children")
def test_a_score_does_not_follow_the_batch_size(tmp_path: Path) -> None:
    folder = spoilt(tmp_path / "m", "gpt2", 0)
    file = write_reviews(tmp_path / "v.csv", 30, seed=3)
    task = load_recipe({"task": {"name": "text-classification", "validation": str(file), "text": "text"}})
    records = [
        Accuracy(AccuracyConfig(batch_size=size)).evaluate([str(folder)], task.create_task())[0]["metrics"]
        for size in (1, 64)
    ]
    assert records[0] == records[1]


def test_positions_that_are_counted_from_the_padding_stay_where_they_are(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "roberta", pad_token_id=3)
    expected = torch_logits(folder, TEXTS)
    alone, batched = apart(folder)
    assert load_model(str(folder), CLASSIFIER).config.pad_token_id == 3 != load_tokenizer(str(folder)).pad_token_id
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    np.testing.assert_allclose(batched, expected, atol=1e-5)


def test_a_model_that_continues_texts_keeps_the_side_of_its_padding(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "m", "gpt2", "CausalLM")
    edit(folder, "tokenizer_config.json", padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder)
    load_processor(str(folder), model).save_pretrained(tmp_path / "again")
    assert AutoTokenizer.from_pretrained(tmp_path / "again").padding_side == "left"
    assert load_tokenizer(str(folder)).padding_side == "right"


@pytest.mark.parametrize(
    ("family", "fields", "most"),
    [
        ("bert", {}, 512),
        ("roberta", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("xlm-roberta", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("camembert", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("mpnet", {"max_position_embeddings": 514, "pad_token_id": 0}, 512),  # 1 is built into it
        ("longformer", {"max_position_embeddings": 130, "pad_token_id": 1, "attention_window": 16}, 128),
        ("data2vec-text", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("xmod", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("bart", {}, 1024),
        ("opt", {}, 2048),
        ("led", {}, 1024),  # its decoder's, which reads the same text
        ("gpt2", {"n_positions": 48}, 48),
        ("t5", {}, NO_LIMIT),
        ("xlnet", {}, NO_LIMIT),
        ("bloom", {}, NO_LIMIT),
    ],
)
def test_how_many_tokens_an_architecture_takes(tmp_path: Path, family: str, fields: Any, most: int) -> None:
    config = AutoConfig.for_model(family, vocab_size=160, **fields)
    tokenizer = AutoTokenizer.from_pretrained(
        edit(save_tokenizer(tmp_path), "tokenizer_config.json", model_max_length="gone")
    )
    assert longest_input(tokenizer, config) == most
    tokenizer.model_max_length = 32
    assert longest_input(tokenizer, config) == 32


@pytest.mark.parametrize("family", ["canine", "clip"])
def test_a_model_without_one_table_of_tokens_has_room(family: str) -> None:
    """CANINE hashes characters, CLIP has its texts' table apart: neither is compared with a tokenizer."""
    assert room_of(AutoConfig.for_model(family)).tokens is None


@pytest.mark.parametrize("family", ["roberta", "mpnet"])
def test_texts_longer_than_the_positions(tmp_path: Path, family: str) -> None:
    """The very longest that is allowed runs, one token more does not."""
    folder = save_tiny(tmp_path / "m", family, max_position_embeddings=34, pad_token_id=1, layers=1)
    edit(folder, "tokenizer_config.json", model_max_length="gone")
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"{'good ' * n},{n % 2}\n" for n in (3, 200, 40, 5)))
    section = {"name": "text-classification", "train": str(file), "validation": str(file), "text": "text"} | {
        "max_length": 600
    }
    recipe = {"model": str(folder), "predecessor": str(tmp_path / "out"), "task": section, "fit": TRAINING}
    assert fit(load_recipe(recipe))["training"]["truncated"] == {"train": 2, "validation": 2}
    export(str(tmp_path / "out"), str(tmp_path / "onnx"))
    with torch.no_grad(), pytest.raises((IndexError, RuntimeError)):
        load_model(str(folder), CLASSIFIER)(input_ids=torch.full((1, 33), 7))


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_one_type_of_tokens_needs_no_telling(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / "m", family, type_vocab_size=1, layers=2)
    save_tokenizer(folder, "bert")  # which gives the second text type 1
    tokenizer, model = load_tokenizer(str(folder)), load_model(str(folder), CLASSIFIER)
    batch = tokenizer(["a good film"], ["a bad film"], return_tensors="pt")
    assert "token_type_ids" not in batch
    types = torch.zeros_like(batch["input_ids"])
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, model(**batch, token_type_ids=types).logits)
    tokenizer.save_pretrained(tmp_path / "again")
    assert "token_type_ids" not in AutoTokenizer.from_pretrained(tmp_path / "again").model_input_names


def grown(folder: Path, *tokens: str, special: bool = False, **roles: str) -> Path:
    """A checkpoint whose tokenizer knows more tokens than its model."""
    save_tiny(folder, layers=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(list(tokens), special_tokens=special)
    tokenizer.add_special_tokens(roles)
    tokenizer.save_pretrained(folder)
    return folder


def test_tokens_that_the_model_has_no_row_for(tmp_path: Path) -> None:
    for folder in (grown(tmp_path / "a", "covid"), grown(tmp_path / "b", pad_token="<pad>")):
        with pytest.raises(UserError, match=r"the id 156, but the model has 156 rows: call model.resize_token_emb"):
            load_tokenizer(str(folder))
    marks = grown(tmp_path / "c", "[E1]", special=True)
    tokenizer = load_tokenizer(str(marks))  # it may be a mark of images, that no text holds
    assert tokenize(tokenizer, [["a good film"]], None, 64)[1] == 0
    with pytest.raises(UserError, match=r"text 2: .*'\[E1\]' the id 156, but the model has 156 rows"):
        tokenize(tokenizer, [["a film", "a [E1] film"]], None, 64)


def test_a_mask_and_an_end_that_the_model_has_no_row_for(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(grown(tmp_path / "m", mask_token="<mask>", eos_token="<end>")))
    with pytest.raises(UserError, match=r"the mask: .*'<mask>' the id 15[67], but the model has 156 rows"):
        Masks(tokenizer)
    with pytest.raises(UserError, match=r"text 1: .*'<end>' the id 15[67], but the model has 156 rows"):
        blocks(tokenizer, ["a good film"], 64)
    assert tokenize(tokenizer, [["a good film"]], None, 64)[1] == 0  # neither is in it


@pytest.mark.parametrize("length", ["many", 0, -1])
def test_a_length_that_no_text_can_have(tmp_path: Path, length: Any) -> None:
    folder = edit(save_tiny(tmp_path / "m", layers=1), "tokenizer_config.json", model_max_length=length)
    with pytest.raises(UserError, match=r"model_max_length is .*, it must be 1 or more: fix it"):
        load_tokenizer(str(folder))


def test_a_tokenizer_beside_a_bad_configuration_is_not_blamed(tmp_path: Path) -> None:
    folder = edit(save_tiny(tmp_path / "m", layers=1), pad_token_id=[0])
    with pytest.raises(UserError, match=r"config.json: no model can be built of it \(.*pad_token_id"):
        load_tokenizer(str(folder))


def test_rows_without_tokens_are_fine(tmp_path: Path) -> None:
    assert load_tokenizer(str(save_tiny(tmp_path / "m", vocab_size=200, layers=1)))("good")["input_ids"]
