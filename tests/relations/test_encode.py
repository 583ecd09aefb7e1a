from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin.errors import UserError
from theseus_plugin.relations.encode import Encoder
from theseus_plugin.relations.text import Instance

INSTANCE = Instance(
    "Question: the film is what ? Is the correct answer a movie ?",
    ("the film was good;", "a movie not bad;", "dull film in the movie;"),
)


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> AutoTokenizer:
    return AutoTokenizer.from_pretrained(save_tiny(tmp_path / "model", request.param))


def test_the_pieces_are_what_the_tokenizer_makes_of_the_whole(tokenizer: AutoTokenizer) -> None:
    expected = tokenizer(*INSTANCE.texts)
    encoder = Encoder(tokenizer, 500)
    for _ in range(2):  # the second time from what is kept
        found, cut = encoder.encode(INSTANCE)
        assert not cut
        assert found == {name: list(expected[name]) for name in found}
    assert set(found) == set(expected) == set(encoder.names)


def test_whole_steps_are_left_out_and_never_the_question(tokenizer: AutoTokenizer) -> None:
    whole = len(tokenizer(*INSTANCE.texts)["input_ids"])
    bare = len(tokenizer(*Instance(INSTANCE.question, ()).texts)["input_ids"])
    with pytest.raises(UserError, match="do not hold the question"):
        Encoder(tokenizer, bare - 1).encode(INSTANCE)
    for length in range(whole - 1, bare - 1, -1):
        found, cut = Encoder(tokenizer, length).encode(INSTANCE)
        assert cut
        kept = next(
            count
            for count in (2, 1, 0)
            if count == 0
            or len(tokenizer(*Instance(INSTANCE.question, INSTANCE.context[:count]).texts)["input_ids"]) <= length
        )
        expected = tokenizer(*Instance(INSTANCE.question, INSTANCE.context[:kept]).texts)
        assert found["input_ids"] == expected["input_ids"]
