"""Language models against the stock models' own losses."""

import math
import pickle

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.tiny import save_decoder, save_tiny, save_tokenizer
from tests.toy_data import sentences
from theseus_plugin.checkpoint import load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import validate
from theseus_plugin.tasks.language import CausalLM, MaskedLM
from theseus_plugin.tasks.masking import MaskedAnew, Masks

TEXTS = sentences(60, longest=30)


def task(kind, **options):
    return kind(validate(kind.Config, {"text": "text"} | options, "task"))


@pytest.fixture
def file(write):
    return write("train.csv", "text\n" + "".join(f"{text}\n" for text in TEXTS))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return str(save_decoder(tmp_path_factory.mktemp("gpt2"), "gpt2", "CausalLM"))


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return str(save_tiny(tmp_path_factory.mktemp("bert"), layers=1, head="MaskedLM"))


def tensors(batch):
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def scored(data, model, examples, size):
    """The task's metrics over batches, and the model's own loss of every example alone, weighted by its tokens."""
    rows, losses, counts = [], [], []
    with torch.no_grad():
        for start in range(0, len(examples), size):
            batch = data.collate(examples[start : start + size])
            logits = model(**tensors({k: v for k, v in batch.items() if k != "labels"})).logits.numpy()
            rows.append(data.reduced(logits, batch["labels"]))
        for example in examples:
            losses.append(model(**tensors(data.collate([example]))).loss.item())
            counts.append(int((np.array(example["labels"])[data.reduce.ahead :] != -100).sum()))
    return data.score(*map(np.concatenate, zip(*rows, strict=True))), math.exp(np.average(losses, weights=counts))


@pytest.mark.parametrize("size", [1, 8])
def test_perplexity_is_that_of_the_stock_loss(file, gpt2, masked, size):
    for kind, auto, checkpoint in ((CausalLM, AutoModelForCausalLM, gpt2), (MaskedLM, AutoModelForMaskedLM, masked)):
        data = task(kind, validation=file).load(checkpoint, ["validation"])
        metrics, expected = scored(data, auto.from_pretrained(checkpoint).eval(), data.splits["validation"], size)
        assert metrics["perplexity"] == pytest.approx(expected, rel=1e-5)
        assert data.metric == "perplexity"
        assert data.better(3.0, 4.0) and not data.better(4.0, 3.0)


def test_accuracy_is_the_share_of_tokens_guessed(file, gpt2):
    data = task(CausalLM, validation=file, metrics=["accuracy"]).load(gpt2, ["validation"])
    assert data.better(4.0, 3.0)
    example = data.splits["validation"][0]
    batch = data.collate(data.splits["validation"][:3])
    logits = np.zeros((*batch["labels"].shape, 200), dtype=np.float32)
    logits[0, np.arange(len(example["labels"]) - 1), example["labels"][1:]] = 9
    others = sum(len(other["labels"]) - 1 for other in data.splits["validation"][1:3])
    mine = len(example["labels"]) - 1
    assert data.score(*data.reduced(logits, batch["labels"])) == {"accuracy": pytest.approx(mine / (mine + others))}


def test_a_reduction_pickles(file, gpt2):
    data = task(CausalLM, validation=file).load(gpt2, ["validation"])
    assert pickle.loads(pickle.dumps(data.reduce)) == data.reduce


def test_a_score_beyond_all_bounds_is_still_a_number(file, gpt2):
    data = task(CausalLM, validation=file).load(gpt2, ["validation"])
    assert math.isfinite(data.score(np.array([[1e9, 0]]), np.array([3]))["perplexity"])
    with pytest.raises(ValueError, match="no token"):
        data.score(np.zeros((1, 2)), np.array([0]))


@pytest.mark.parametrize("length", [8, 64])
def test_texts_are_cut_into_examples_and_nothing_is_lost(file, gpt2, length):
    examples = task(CausalLM, train=file, max_length=length).load(gpt2, ["train"]).splits["train"]
    tokenizer = load_tokenizer(gpt2)
    whole = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in TEXTS]
    parts = [ids[at : at + length] for ids in whole for at in range(0, len(ids), length)]
    assert [example["input_ids"] for example in examples] == [part for part in parts if len(part) > 1]
    assert all(example["labels"] == [-100, *example["input_ids"][1:]] for example in examples)
    assert set(examples[0]) == {"input_ids", "attention_mask", "labels"}


def test_padding_is_the_end_of_text_token_and_is_not_asked_about(file, gpt2):
    data = task(CausalLM, train=file).load(gpt2, ["train"])
    batch = data.collate(data.splits["train"])
    padding = batch["attention_mask"] == 0
    assert padding.any()
    assert (batch["input_ids"][padding] == load_tokenizer(gpt2).eos_token_id).all()
    assert (batch["labels"][padding] == -100).all()
    padding[:, 0] = True  # nothing comes before the first token that could tell it
    assert (batch["labels"][~padding] == batch["input_ids"][~padding]).all()
    assert batch["attention_mask"][:, 0].all()


def test_what_is_hidden(masked):
    """15 % of the ordinary tokens, of these 80 % the mask, 10 % any other token and 10 % themselves."""
    tokenizer = load_tokenizer(masked)
    ids = tokenizer(" ".join(["film"] * 400), verbose=False)["input_ids"]
    masks = Masks(tokenizer)
    word = ids[1]
    counts = np.zeros(3)
    for seed in range(100):
        found = masks({"input_ids": ids}, np.random.default_rng(seed))
        hidden = found["labels"] != -100
        assert hidden.sum() == 60
        assert not hidden[[0, -1]].any()
        assert (found["labels"][hidden] == word).all()
        assert (found["input_ids"][~hidden] == np.array(ids)[~hidden]).all()
        given = found["input_ids"][hidden]
        counts += [(given == tokenizer.mask_token_id).sum(), (given == word).sum(), len(given)]
        assert not set(given) & (set(tokenizer.all_special_ids) - {tokenizer.mask_token_id})
    assert counts[0] / counts[2] == pytest.approx(0.8, abs=0.015)
    assert counts[1] / counts[2] == pytest.approx(0.1, abs=0.015)


def test_short_texts_have_one_hidden_token_and_empty_ones_none(masked):
    tokenizer = load_tokenizer(masked)
    masks = Masks(tokenizer)
    for text, hidden in (("film", 1), ("the bad film", 1), ("", 0)):
        labels = masks(tokenizer(text), np.random.default_rng(0))["labels"]
        assert (labels != -100).sum() == hidden


def test_training_masks_depend_on_seed_epoch_and_number_alone(file, masked):
    def made(epoch, seed=0):
        split = task(MaskedLM, train=file, seed=seed).load(masked, ["train"]).splits["train"]
        split.set_epoch(epoch)
        return [split[at]["input_ids"].tolist() for at in range(len(split))]

    assert made(0) == made(0)
    assert made(3) == made(3)
    assert made(0) != made(1)
    assert made(0) != made(0, seed=1)


def test_validation_masks_never_change(file, masked):
    one, other = (task(MaskedLM, train=file, validation=file).load(masked).splits["validation"] for _ in range(2))
    assert not hasattr(one, "set_epoch")
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a["labels"], b["labels"])


def test_the_loop_calls_set_epoch_before_each_epoch(file, masked, monkeypatch):
    from accelerate import Accelerator

    from theseus_plugin.training.batches import BatchStream
    from theseus_plugin.training.config import TrainingConfig

    called = []
    monkeypatch.setattr(
        MaskedAnew, "set_epoch", lambda self, epoch: (called.append(epoch), setattr(self, "_epoch", epoch))
    )
    data = task(MaskedLM, train=file).load(masked, ["train"])
    batches = BatchStream(data, TrainingConfig(batch_size=32), Accelerator(cpu=True))
    epochs = [batches.take(2) for _ in range(3)]
    assert list(dict.fromkeys(called)) == [0, 1, 2]
    hidden = [sorted(row[row != -100].tolist() for batch in epoch for row in batch["labels"]) for epoch in epochs]
    assert hidden[0] != hidden[1] != hidden[2]


def test_pairs_and_texts(write, masked):
    path = write("t.tsv", "a\tb\nfilm\tthe bad movie\n")
    data = task(MaskedLM, validation=path, text=["a", "b"]).load(masked, ["validation"])
    assert data.texts == {"validation": [("film", "the bad movie")]}
    tokenizer = load_tokenizer(masked)
    [example] = data.splits["validation"]
    assert example["token_type_ids"] == tokenizer("film", "the bad movie")["token_type_ids"]
    whole = np.where(example["labels"] == -100, example["input_ids"], example["labels"])
    assert whole.tolist() == tokenizer("film", "the bad movie")["input_ids"]


def test_errors(file, write, gpt2, tmp_path):
    maskless = save_tokenizer(save_tiny(tmp_path, layers=1), mask_token=None)
    with pytest.raises(UserError, match="its tokenizer has no mask token: choose the task causal-lm"):
        task(MaskedLM, train=file).load(str(maskless), ["train"])
    with pytest.raises(UserError, match=r"no column 'txt'"):
        task(CausalLM, train=file, text="txt").load(gpt2, ["train"])
    with pytest.raises(UserError, match="task causal-lm: no text of train has two tokens"):
        task(CausalLM, train=write("t.csv", 'text,b\n"",1\n')).load(gpt2, ["train"])
    with pytest.raises(UserError, match=r"task\.text"):
        task(MaskedLM, train=file, text=["a", "b", "c"])
