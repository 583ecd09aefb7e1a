from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM

from tests.tiny import save_tiny, tiny_config
from theseus_plugin.bert_attack.candidates import Proposer, best_combinations
from theseus_plugin.bert_attack.words import Text
from theseus_plugin.errors import UserError


@pytest.fixture(scope="module")
def mlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random masked language model that has some preferences."""
    folder = save_tiny(tmp_path_factory.mktemp("mlm") / "bert")
    torch.manual_seed(5)
    model = BertForMaskedLM(tiny_config("bert"))
    torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight, std=1.0)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("lengths", [[1], [3, 2], [4, 4, 4], [2, 5, 3, 4]])
@pytest.mark.parametrize("count", [1, 5, 1000])
def test_the_best_combinations_are_those_of_the_whole_product(lengths: list[int], count: int) -> None:
    random = np.random.default_rng(sum(lengths) + count)
    places = [(random.normal(size=size).tolist(), random.permutation(50)[:size].tolist()) for size in lengths]
    product = [
        (sum(score for score, _ in row) / len(row), tuple(piece for _, piece in row))
        for row in itertools.product(*(list(zip(*place, strict=True)) for place in places))
    ]
    expected = sorted(product, key=lambda one: -one[0])[:count]
    found = best_combinations(places, count)
    assert [pieces for _, pieces in found] == [pieces for _, pieces in expected]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected])


def test_no_combination_where_a_place_has_no_piece() -> None:
    assert best_combinations([([0.0], [1]), ([], [])], 5) == []


def reference(mlm: Path, text: str, at: int, count: int, stop: set[str]) -> list[str]:
    """The candidates of a word of one piece, by the book: logits of the unmasked text, sorted."""
    tokenizer, model = AutoTokenizer.from_pretrained(mlm), AutoModelForMaskedLM.from_pretrained(mlm).eval()
    encoded = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        row = model(**encoded).logits[0, encoded.word_ids(0).index(at)]
    special = set(tokenizer.all_special_ids)
    usable = [
        one
        for one in row.argsort(descending=True).tolist()
        if one not in special and not tokenizer.convert_ids_to_tokens(one).startswith("##")
    ]
    words = [tokenizer.convert_ids_to_tokens(one) for one in usable[:count]]
    original = tokenizer.convert_ids_to_tokens(int(encoded.input_ids[0, encoded.word_ids(0).index(at)]))
    return [word for word in words if word.isalnum() and word not in stop and word != original]


def test_a_word_of_one_piece_gets_what_the_model_would_write(mlm: Path) -> None:
    stop = {"the", "movie"}
    [found] = Proposer(str(mlm), 20, stop).propose([Text.of("the film was good")])
    assert found[0] == []
    for at in (1, 2, 3):
        assert found[at] == reference(mlm, "the film was good", at, 20, stop)
        assert found[at]


def test_the_same_whether_alone_or_among_others(mlm: Path) -> None:
    proposer = Proposer(str(mlm), 10, set())
    texts = [Text.of(text) for text in ["good", "the film was good , a movie", "", "bad movie"]]
    assert proposer.propose(texts) == [proposer.propose([text])[0] for text in texts]


def test_words_of_several_pieces(mlm: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(mlm), AutoModelForMaskedLM.from_pretrained(mlm).eval()
    encoded = tokenizer("xyz", return_tensors="pt")
    pieces = tokenizer.convert_ids_to_tokens(encoded.input_ids[0])[1:-1]
    assert pieces == ["x", "##y", "##z"]
    [[found]] = Proposer(str(mlm), 12, set()).propose([Text.of("xyz")])
    with torch.no_grad():
        scores = model(**encoded).logits[0, 1:-1].log_softmax(-1)
    vocabulary = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_tokens)

    def best(place: int, continues: bool) -> list[tuple[float, str]]:
        fitting = [
            (float(scores[place, one]), token.removeprefix("##"))
            for one, token in enumerate(vocabulary)
            if token not in special and token.startswith("##") == continues
        ]
        return sorted(fitting, reverse=True)[:12]

    combined = [
        (sum(score for score, _ in row) / 3, "".join(piece for _, piece in row))
        for row in itertools.product(best(0, False), best(1, True), best(2, True))
    ]
    ranked = sorted([*sorted(combined, reverse=True)[:12], *best(0, False)], reverse=True)
    expected = list(dict.fromkeys(word for _, word in ranked if word.isalnum() and word != "xyz"))
    assert found == expected[:12]


def test_case_is_kept_and_vectors_rule_out(mlm: Path) -> None:
    class Opposite:
        def between(self, word: str, others: list[str]) -> list[float | None]:
            assert word == "Good"
            return [None if other == "Film" else -1.0 if other < "N" else 0.5 for other in others]

    [[plain]] = Proposer(str(mlm), 40, set()).propose([Text.of("Good")])
    [[ruled]] = Proposer(str(mlm), 40, set(), Opposite()).propose([Text.of("Good")])
    assert all(word[0] == word[0].upper() for word in plain)
    assert ruled == [word for word in plain if word == "Film" or word >= "N"]
    assert len(ruled) < len(plain)


def test_what_is_beyond_the_models_length_is_left_alone(mlm: Path) -> None:
    text = Text.of(" ".join(["good"] * 100))
    [found] = Proposer(str(mlm), 5, set()).propose([text])
    assert all(found[:62])  # 64 positions, two of them special tokens
    assert not any(found[62:])


def test_a_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "bert")
    with pytest.raises(UserError, match="head"):
        Proposer(str(folder), 5, set())
