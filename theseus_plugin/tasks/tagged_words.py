"""From the words and tags in the data to pieces and their labels."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from theseus_plugin.contract import IGNORED
from theseus_plugin.errors import UserError
from theseus_plugin.loading.pairing import refuse_unknown
from theseus_plugin.tasks.marks import Marks
from theseus_plugin.tasks.reading import Rows
from theseus_plugin.tasks.tokens import BATCH


@dataclass(frozen=True)
class Sentences:
    """The words of every row, and their tags."""

    words: list[list[str]]
    tags: Marks


def sentences(rows: Rows, words: str, tags: str) -> Sentences:
    """Words and tags of every row.

    Raises:
        UserError: no such column, a row without words or with others than texts, with another number of tags, or with
            one that is missing or no tag.
    """
    ours, theirs = rows.column(words), rows.column(tags)
    for row, (texts, marks) in enumerate(zip(ours, theirs, strict=True), start=1):
        for column, value in ((words, texts), (tags, marks)):
            if not isinstance(value, list) or not value:
                raise UserError(
                    f"{rows.place}, row {row}: column {column!r} holds {reprlib.repr(value)}, which is not a list of "
                    "words or tags: fix or drop the row"
                )
        if not all(isinstance(word, str) for word in texts):
            raise UserError(f"{rows.place}, row {row}: column {words!r} holds what is not text: fix the row")
        if len(texts) != len(marks):
            raise UserError(f"{rows.place}, row {row}: {len(texts)} words, but {len(marks)} tags: fix the row")
    return Sentences(ours, Marks.of(rows, tags, "tag", theirs))


@dataclass
class Tokenized:
    """Examples as plain dicts of lists."""

    examples: list[dict[str, Any]]
    cut: int = 0
    """How many of them were cut."""
    without_pieces: int = 0
    """How many words of what was kept have no pieces, and so no label."""


def tokenize_words(
    tokenizer: Any, sentences: Sequence[Sequence[str]], labels: Sequence[Sequence[int]], max_length: int
) -> Tokenized:
    """Examples of sentences, whose words have a label each.

    The first piece of a word has its label, all other pieces and the special tokens have `IGNORED`; the words
    behind the cut are gone.
    """
    made = Tokenized([])
    for start in range(0, len(sentences), BATCH):
        part = [list(words) for words in sentences[start : start + BATCH]]
        encoded = tokenizer(part, is_split_into_words=True, truncation=True, max_length=max_length)
        for at, ours in enumerate(part):
            refuse_unknown(tokenizer, encoded["input_ids"][at], f"sentence {start + at + 1}")
            words = encoded.word_ids(at)
            first = [word is not None and word != before for before, word in zip([None, *words], words, strict=False)]
            marks = [labels[start + at][word] if new else IGNORED for word, new in zip(words, first, strict=True)]
            made.examples.append({**{name: values[at] for name, values in encoded.items()}, "labels": marks})
            cut = bool(encoded.encodings[at].overflowing)
            kept = {word for word in words if word is not None}
            made.cut += cut
            made.without_pieces += (max(kept, default=-1) + 1 if cut else len(ours)) - len(kept)
    return made
