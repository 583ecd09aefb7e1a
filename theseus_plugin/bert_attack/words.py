"""Texts as words and what stands between them, so that all but the changed words stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from theseus_plugin.tasks.textfiles import fields, lines, open_text

_WORD = re.compile("[^\\W_]+(?:['\u2019-][^\\W_]+)*")
"""Letters and digits; an apostrophe or a hyphen within a word belongs to it, all other signs stand between words."""


@dataclass(frozen=True)
class Text:
    """A text, cut into words and gaps: a gap stands before each word and after the last."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Text:
        """A text as it is written."""
        found = list(_WORD.finditer(text))
        ends = [0, *(match.end() for match in found)]
        starts = [*(match.start() for match in found), len(text)]
        gaps = tuple(text[end:start] for end, start in zip(ends, starts, strict=True))
        return cls(tuple(match[0] for match in found), gaps)

    def __str__(self) -> str:
        return self.gaps[0] + "".join(word + gap for word, gap in zip(self.words, self.gaps[1:], strict=True))

    def with_word(self, at: int, word: str) -> Text:
        """The text with another word at a place."""
        return Text((*self.words[:at], word, *self.words[at + 1 :]), self.gaps)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word begins and ends in the text."""
        spans, end = [], 0
        for gap, word in zip(self.gaps, self.words, strict=False):
            start = end + len(gap)
            end = start + len(word)
            spans.append((start, end))
        return spans


def is_word(text: str) -> bool:
    """Whether a text is one word and nothing else."""
    return _WORD.fullmatch(text) is not None


def in_the_case_of(word: str, original: str) -> str:
    """A word written as the one it replaces is: all capitals, a capital first, or as it comes."""
    if len(original) > 1 and original.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if original[:1].isupper() else word


def read_stop_words(file: str | None) -> Collection[str]:
    """Words that are neither attacked nor proposed, in lower case: those of a file, or scikit-learn's English ones.

    Raises:
        UserError: the file cannot be read.
    """
    if file is None:
        return _english()
    with open_text(file, f"stop_words {file}") as stream:
        return frozenset(word for line in lines(stream) for word in fields(line.lower()))


@cache
def _english() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)
