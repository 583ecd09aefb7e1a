from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin.bert_attack.similarity import SentenceEncoder, WordVectors
from theseus_plugin.errors import UserError


def test_words_by_their_vectors(tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("good 1 0\nGreat 3 4\nbad -2 0\n")
    near = WordVectors.read(str(file)).between("Good", ["great", "bad", "good", "unknown"])
    assert near[:3] == pytest.approx([0.6, -1.0, 1.0])
    assert near[3] is None
    assert WordVectors.read(str(file)).between("unknown", ["good"]) == [None]


def test_the_first_line_of_word2vec_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("2 2\ngood 1 0\nbad 0 1\n")
    assert WordVectors.read(str(file)).between("good", ["bad"]) == [0.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [("good 1 0\nbad 1\n", "line 2: 1 numbers, not 2"), ("", "no line there"), ("good one 0\n", "cannot be read")],
)
def test_vectors_that_cannot_be_read(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        WordVectors.read(str(file))


def test_texts_by_the_mean_of_their_states(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "bert")
    texts = ["the film was good", "bad", "a movie , a movie", "good"]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy() for text in texts]
    expected = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(states, states[1:] + states[:1], strict=True)
    ]
    found = SentenceEncoder.load(str(folder), batch_size=3).between(texts, texts[1:] + texts[:1])
    assert found == pytest.approx(expected, abs=1e-5)
