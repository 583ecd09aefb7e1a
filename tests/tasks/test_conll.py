from __future__ import annotations

from collections.abc import Callable

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.conll import read_conll

Write = Callable[[str, str], str]


def read(write: Write, text: str) -> list[list[tuple[str, str]]]:
    rows = read_conll(write("a.conll", text), "words", "tags")
    return [
        list(zip(words, tags, strict=True))
        for words, tags in zip(rows.column("words"), rows.column("tags"), strict=True)
    ]


@pytest.mark.parametrize(
    "character", ["\u00a0", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"]
)
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_only_line_ends_end_a_line_and_only_blanks_separate(write: Write, character: str, separator: str) -> None:
    word = f"10{character}000"
    assert read(write, f"{word}{separator}B-PER\nb{separator}O\n") == [[(word, "B-PER"), ("b", "O")]]


def test_the_mark_and_crlf_are_no_part_of_words(write: Write) -> None:
    assert read(write, "\ufeffa\tO\r\nb\tB-X\r\n\r\nc\tO\r\n") == [[("a", "O"), ("b", "B-X")], [("c", "O")]]


def test_comments_of_conll_u_are_no_words(write: Write) -> None:
    text = "# newdoc id = d\n# sent_id = 1\n# text = a b\na\tO\nb\tB-X\n\n# sent_id = 2\n# by hand\nc\tO\n"
    assert read(write, text) == [[("a", "O"), ("b", "B-X")], [("c", "O")]]
    spaced = "# sent_id = 1\n#text = a #b\n# newpar\na O\n"
    assert read(write, spaced) == [[("a", "O")]]


@pytest.mark.parametrize("line", ["#tag\tB-X", "#\tO", "#tag B-X", "# O", "# NN B-NP O", "#1 O", "# = O"])
def test_words_that_begin_like_comments_are_words(write: Write, line: str) -> None:
    separator = "\t" if "\t" in line else " "
    expected = (line.split(separator)[0], line.split(separator)[-1])
    assert read(write, f"a{separator}O\n{line}\n") == [[("a", "O"), expected]]


def test_numbers_are_words_where_they_do_not_count_them(write: Write) -> None:
    assert read(write, "1\tCD\tO\n2\tCD\tO\n\n10\tCD\tB-X\n")[1] == [("10", "B-X")]
    assert read(write, "1\tO\n2\tO\n")[0] == [("1", "O"), ("2", "O")]
    with pytest.raises(UserError, match=r"a\.conll: the first column numbers the words"):
        read(write, "1\ta\tO\n2\tb\tB-X\n\n1\tc\tO\n")
