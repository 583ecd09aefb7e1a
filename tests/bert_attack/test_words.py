from __future__ import annotations

from pathlib import Path

import pytest

from theseus_plugin.bert_attack.words import Text, in_the_case_of, is_word, read_stop_words
from theseus_plugin.errors import UserError

TEXTS = ["", "  ", "word", " A  film, isn't it?\n", "well-made (1999) -- no\ttabs", "…", "naïve café\u2019s", "a_b c'"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_put_together_as_it_was(text: str) -> None:
    assert str(Text.of(text)) == text


def test_words_and_where_they_stand() -> None:
    text = Text.of(" A  film, isn't it well-made?")
    assert text.words == ("A", "film", "isn't", "it", "well-made")
    assert [str(text)[start:end] for start, end in text.spans] == list(text.words)


def test_one_word_is_changed_and_nothing_else() -> None:
    text = Text.of("  The GOOD,\tgood film!! ")
    assert str(text.with_word(1, "bad")) == "  The bad,\tgood film!! "
    assert str(text.with_word(3, "movies")) == "  The GOOD,\tgood movies!! "
    assert str(text) == "  The GOOD,\tgood film!! "


@pytest.mark.parametrize(
    ("word", "original", "written"),
    [
        ("bad", "good", "bad"),
        ("bad", "Good", "Bad"),
        ("bad", "GOOD", "BAD"),
        ("bad", "A", "Bad"),
        ("McDonald", "good", "McDonald"),
        ("5", "Good", "5"),
    ],
)
def test_case(word: str, original: str, written: str) -> None:
    assert in_the_case_of(word, original) == written


def test_what_is_a_word() -> None:
    assert is_word("film")
    assert is_word("isn't")
    assert not any(map(is_word, ["", "two words", "##ing", "film.", "-", "'"]))


def test_stop_words(tmp_path: Path) -> None:
    assert {"the", "is", "not"} <= set(read_stop_words(None))
    file = tmp_path / "words.txt"
    file.write_text("Film\nmovie\n")
    assert set(read_stop_words(str(file))) == {"film", "movie"}
    with pytest.raises(UserError, match=r"stop_words .*nowhere\.txt"):
        read_stop_words(str(tmp_path / "nowhere.txt"))
