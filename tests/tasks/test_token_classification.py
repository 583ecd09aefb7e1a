import json

import datasets
import numpy as np
import pytest
import torch

from tests.tiny import save_decoder, save_tiny
from theseus_plugin.checkpoint import load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import validate
from theseus_plugin.tasks.token_classification import TokenClassification

ROWS = [
    {"words": ["The", "film", "xyz", "was", "good"], "tags": ["O", "O", "B-FILM", "O", "O"]},
    {"words": ["not", "movie-x"], "tags": ["O", "B-FILM"]},
    {"words": ["the", "bad", "film"], "tags": ["O", "B-FILM", "I-FILM"]},
]
NAMES = {0: "B-FILM", 1: "I-FILM", 2: "O"}


def tag(**options):
    return TokenClassification(validate(TokenClassification.Config, options, "task"))


@pytest.fixture
def file(write):
    return write("train.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))


def test_the_first_piece_of_a_word_has_its_label(file, checkpoint):
    data = tag(train=file).load(checkpoint, ["train"], new_head=True)
    assert data.head["id2label"] == NAMES
    tokenizer = load_tokenizer(checkpoint)
    for row, example in zip(ROWS, data.splits["train"], strict=True):
        expected, pieces = [-100], []
        for word, name in zip(row["words"], row["tags"], strict=True):
            ids = tokenizer(word, add_special_tokens=False)["input_ids"]
            pieces += ids
            expected += [{v: k for k, v in NAMES.items()}[name], *[-100] * (len(ids) - 1)]
        assert example["input_ids"][1:-1] == pieces
        assert example["labels"] == [*expected, -100]
    assert len(data.splits["train"][1]["input_ids"]) > 4  # a word of several pieces


def test_batches_pad_labels_on_the_side_of_the_tokenizer(file, tmp_path):
    checkpoint = save_tiny(tmp_path / "m", layers=1)
    data = tag(train=file).load(str(checkpoint), ["train"], new_head=True)
    batch = data.collate(data.splits["train"])
    assert batch["labels"].shape == batch["input_ids"].shape
    assert ((batch["labels"] == -100) >= (batch["attention_mask"] == 0)).all()
    tokenizer = load_tokenizer(str(checkpoint))
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(checkpoint)
    left = tag(train=file).load(str(checkpoint), ["train"], new_head=True)
    np.testing.assert_array_equal(left.collate(left.splits["train"])["labels"][1, -4:], batch["labels"][1, 3:7])


def test_words_behind_the_cut_do_not_count(write, checkpoint):
    words = ["the"] * 20
    path = write("train.jsonl", json.dumps({"words": words, "tags": ["O", "B-X"] * 10}) + "\n")
    data = tag(train=path, max_length=8).load(checkpoint, ["train"], new_head=True)
    [example] = data.splits["train"]
    assert len(example["input_ids"]) == 8
    assert sum(label != -100 for label in example["labels"]) == 6
    assert data.truncated == {"train": 1}
    assert data.max_length == 8


def test_scores_are_those_of_words(file, checkpoint):
    """Logits that are right but for one word of six pieces, and right on no other piece."""
    data = tag(train=file, metrics=["accuracy", "f1"]).load(checkpoint, ["train"], new_head=True)
    batch = data.collate(data.splits["train"])
    labels = batch["labels"]
    logits = np.eye(3)[np.where(labels == -100, 1, labels)].astype(np.float32)
    logits[2, 1:4] = np.eye(3)[[2, 2, 2]]  # all O: its entity is missed, the others are found
    scores = data.score(*data.reduced(logits, labels))
    assert scores == {"accuracy": pytest.approx(8 / 10), "f1": pytest.approx(2 * 2 / (2 + 3))}
    rows, answers = data.reduce(torch.from_numpy(logits), torch.from_numpy(labels))
    assert len(rows) == len(answers) == 3


def test_conll_files_are_the_same_rows(write, file, checkpoint):
    text = "-DOCSTART- -X- O\n\n" + "\n\n".join(
        "\n".join(f"{word}\t{name}" for word, name in zip(row["words"], row["tags"], strict=True)) for row in ROWS
    )
    found = tag(train=write("a.conll", text)).load(checkpoint, ["train"], new_head=True)
    assert found.splits["train"] == tag(train=file).load(checkpoint, ["train"], new_head=True).splits["train"]
    spaced = tag(train=write("b.conll", "the DT O\nfilm NN B-X\n")).load(checkpoint, ["train"], new_head=True)
    assert spaced.splits["train"][0]["labels"] == [-100, 1, 0, -100]
    with pytest.raises(UserError, match=r"c\.conll, line 2: 'film' has no tag: write WORD<tab>TAG"):
        tag(train=write("c.conll", "the O\nfilm\n")).load(checkpoint, ["train"], new_head=True)


def test_class_ids_of_a_saved_folder(tmp_path, checkpoint):
    names = ["O", "B-FILM", "I-FILM"]
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(datasets.ClassLabel(names=names))}
    )
    rows = {"tokens": [row["words"] for row in ROWS], "ner_tags": [[names.index(t) for t in r["tags"]] for r in ROWS]}
    part = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": part, "validation": part}).save_to_disk(tmp_path / "saved")
    task = tag(data=str(tmp_path / "saved"), words="tokens", tags="ner_tags")
    data = task.load(checkpoint, new_head=True)
    assert data.head["id2label"] == dict(enumerate(names))
    trained = save_tiny(tmp_path / "m", num_labels=3, layers=1, head="TokenClassification", id2label=NAMES)
    labels = task.load(str(trained)).splits["validation"][2]["labels"]
    assert labels == [-100, 2, 0, 1, -100]


def test_byte_level_tokenizers_get_their_space(file, tmp_path):
    from tokenizers import pre_tokenizers
    from transformers import GPT2Tokenizer

    checkpoint = save_decoder(tmp_path / "m", "gpt2", "TokenClassification", vocab_size=257)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (checkpoint / name).unlink()
    alphabet = {c: i for i, c in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"])}
    GPT2Tokenizer(vocab=alphabet, merges=[]).save_pretrained(checkpoint)
    data = tag(train=file).load(str(checkpoint), ["train"], new_head=True)
    tokenizer = load_tokenizer(str(checkpoint))
    assert data.splits["train"][2]["input_ids"] == tokenizer(" the bad film")["input_ids"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": ["a", "b"], "tags": ["O"]}, r"row 1: 2 words, but 1 tags: fix the row"),
        ({"words": [], "tags": []}, r"row 1: column 'words' holds \[\], which is not a list of words"),
        ({"words": "a b", "tags": ["O", "B-X"]}, r"row 1: column 'words' holds 'a b', which is not a list"),
        ({"words": ["a"], "tags": ["O"]}, r"column 'tags' holds only the tag 'O': two are needed"),
        ({"words": ["a", "b"], "tags": ["DET", "NOUN"]}, r"f1 is that of entities in .* set metrics: \[accuracy\]"),
    ],
)
def test_errors_name_their_place(write, checkpoint, row, message):
    with pytest.raises(UserError, match=message):
        tag(train=write("t.jsonl", json.dumps(row) + "\n")).load(checkpoint, ["train"], new_head=True)


def test_a_tag_the_head_does_not_have(write, tmp_path):
    trained = save_tiny(tmp_path / "m", num_labels=3, layers=1, head="TokenClassification", id2label=NAMES)
    path = write("t.jsonl", json.dumps({"words": ["a"], "tags": ["B-CITY"]}) + "\n")
    with pytest.raises(
        UserError, match=r"t\.jsonl, row 1: tag 'B-CITY' is not one of the 3 classes: B-FILM, I-FILM, O"
    ):
        tag(train=path).load(str(trained), ["train"])


def test_other_tags_are_scored_by_accuracy(write, checkpoint):
    path = write("t.jsonl", json.dumps({"words": ["a", "b"], "tags": ["DET", "NOUN"]}) + "\n")
    data = tag(train=path, metrics=["accuracy"]).load(checkpoint, ["train"], new_head=True)
    batch = data.collate(data.splits["train"])
    logits = np.zeros((*batch["labels"].shape, 2), dtype=np.float32)  # DET everywhere
    assert data.score(*data.reduced(logits, batch["labels"])) == {"accuracy": 0.5}


@pytest.mark.parametrize("kind", [int, float, str])
def test_ids_of_tags_are_sorted_as_numbers_for_a_new_head(write, checkpoint, kind):
    path = write("t.jsonl", json.dumps({"words": ["a"] * 12, "tags": [kind(at) for at in range(12)]}) + "\n")
    data = tag(train=path, metrics=["accuracy"]).load(checkpoint, ["train"], new_head=True)
    assert data.head["id2label"] == {at: str(at) for at in range(12)}
    assert data.splits["train"][0]["labels"][1:-1] == list(range(12))


@pytest.mark.parametrize("names", [NAMES, {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, {0: "X", 1: "Y", 2: "Z"}])
def test_ids_of_tags_are_those_of_a_trained_head(write, tmp_path, names):
    trained = save_tiny(tmp_path / "m", num_labels=3, layers=1, head="TokenClassification", id2label=names)
    path = write("t.jsonl", json.dumps({"words": ["a", "b", "c"], "tags": [0, 1, 2]}) + "\n")
    task = tag(train=path, metrics=["accuracy"])
    assert task.load(str(trained), ["train"]).splits["train"][0]["labels"] == [-100, 0, 1, 2, -100]
    for bad in (3, -1, -100, 0.5, True):
        write("t.jsonl", json.dumps({"words": ["a", "b"], "tags": [0, bad]}) + "\n")
        with pytest.raises(UserError, match=rf"t\.jsonl, row 1: tag '{bad}' is not one of the 3 classes"):
            task.load(str(trained), ["train"])


@pytest.mark.parametrize("hidden", [-1, -100, 3])
def test_ids_that_no_name_stands_for(tmp_path, checkpoint, hidden):
    features = datasets.Features(
        {
            "words": datasets.List(datasets.Value("string")),
            "tags": datasets.List(datasets.ClassLabel(names=list("OXY"))),
        }
    )
    rows = datasets.Dataset.from_dict({"words": [["a"], ["b", "c"]], "tags": [[0], [1, hidden]]}).cast(features)
    rows.to_parquet(str(tmp_path / "t.parquet"))
    with pytest.raises(UserError, match=rf"t\.parquet, row 2: tag '{hidden}' is not one of the 3 classes: O, X, Y"):
        tag(train=str(tmp_path / "t.parquet"), metrics=["accuracy"]).load(checkpoint, ["train"], new_head=True)


def test_words_without_pieces_have_no_label_and_are_said(write, checkpoint):
    rows = [
        {"words": ["\u200b"], "tags": ["O"]},
        {"words": ["the", "\u200b", "film", ""], "tags": ["O", "B-X", "B-X", "O"]},
    ]
    path = write("t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    data = tag(train=path).load(checkpoint, ["train"], new_head=True)
    labels = [example["labels"] for example in data.splits["train"]]
    assert labels == [[-100, -100], [-100, 1, 0, -100]]
    assert data.notes == ["train: 3 words have no piece of text: they are neither trained nor scored"]
    cut = write(
        "cut.jsonl", json.dumps({"words": ["the", "\u200b", *["film"] * 20, "\u200b"], "tags": ["O", *["B-X"] * 22]})
    )
    data = tag(train=cut, max_length=8).load(checkpoint, ["train"], new_head=True)
    assert data.notes == ["train: 1 words have no piece of text: they are neither trained nor scored"]
    assert tag(train=write("good.conll", "a\tO\nb\tB-X\n")).load(checkpoint, ["train"], new_head=True).notes == []


def test_a_sentence_without_a_token(write, tmp_path):
    checkpoint = save_decoder(tmp_path / "m", "gpt2", "TokenClassification")
    rows = [{"words": ["a", "b"], "tags": ["O", "B-X"]}, {"words": ["\u200b"], "tags": ["O"]}]
    path = write("t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"t\.jsonl, row 2: nothing to read there"):
        tag(train=path).load(str(checkpoint), ["train"], new_head=True)
