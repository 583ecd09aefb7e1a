"""From the words and tags in the data to pieces and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theseus_plugin.contract import IGNORED
from theseus_plugin.errors import UserError
from theseus_plugin.pairing import refuse_unknown
from theseus_plugin.tasks.reading import Rows
from theseus_plugin.tasks.tokens import BATCH


def sentences(rows: Rows, words: str, tags: str) -> list[tuple[list[str], list[str]]]:
    """Words and tags of every row, tags by their names where the column has names.

    Raises:
        UserError: no such column, a row without words or with others than texts, or with another number of tags.
    """
    names = rows.class_names(tags)
    found = []
    for row, (ours, theirs) in enumerate(zip(rows.column(words), rows.column(tags), strict=True), start=1):
        for column, value in ((words, ours), (tags, theirs)):
            if not isinstance(value, list) or not value:
                raise UserError(
                    f"{rows.place}, row {row}: column {column!r} holds {value!r}, which is not a list of words or "
                    "tags: mend or drop the row"
                )
        if not all(isinstance(word, str) for word in ours):
            raise UserError(f"{rows.place}, row {row}: column {words!r} holds what is not text: mend the row")
        if len(ours) != len(theirs):
            raise UserError(f"{rows.place}, row {row}: {len(ours)} words, but {len(theirs)} tags: mend the row")
        found.append((ours, [names[tag] if names and isinstance(tag, int) else str(tag) for tag in theirs]))
    return found


def tag_names(rows: Rows, tags: str, found: Sequence[tuple[list[str], list[str]]]) -> list[str]:
    """The classes of a head yet to be trained: those the column names, else the distinct tags by the alphabet.

    Raises:
        UserError: there are fewer than two.
    """
    names = rows.class_names(tags) or sorted({tag for _, theirs in found for tag in theirs})
    if len(names) < 2:
        raise UserError(f"{rows.place}: column {tags!r} holds only the tag {names[0]!r}: two are needed")
    return names


def tag_ids(
    rows: Rows, found: Sequence[tuple[list[str], list[str]]], names: Sequence[str]
) -> list[tuple[list[str], list[int]]]:
    """Words of every row with the ids of their tags.

    Raises:
        UserError: a tag that is none of `names`.
    """
    ids = {name: i for i, name in enumerate(names)}
    for row, (_, theirs) in enumerate(found, start=1):
        for tag in theirs:
            if tag not in ids:
                raise UserError(
                    f"{rows.place}, row {row}: tag {tag!r} is not one of the {len(names)} classes: "
                    f"{', '.join(names[:20])}{', ...' if len(names) > 20 else ''}: mend the row"
                )
    return [(ours, [ids[tag] for tag in theirs]) for ours, theirs in found]


def tokenize_words(
    tokenizer: Any, examples: Sequence[tuple[list[str], list[int]]], max_length: int
) -> tuple[list[dict[str, Any]], int]:
    """Examples as plain dicts of lists, and how many of them were cut.

    The first piece of a word has its label, all other pieces and the special tokens have `IGNORED`; the words
    behind the cut are gone.
    """
    made: list[dict[str, Any]] = []
    cut = 0
    for start in range(0, len(examples), BATCH):
        part = examples[start : start + BATCH]
        encoded = tokenizer(
            [words for words, _ in part], is_split_into_words=True, truncation=True, max_length=max_length
        )
        cut += sum(1 for encoding in encoded.encodings if encoding.overflowing)
        for at, (_, labels) in enumerate(part):
            refuse_unknown(tokenizer, encoded["input_ids"][at], f"sentence {start + at + 1}")
            words = encoded.word_ids(at)
            first = [word is not None and word != before for before, word in zip([None, *words], words, strict=False)]
            marks = [labels[word] if new else IGNORED for word, new in zip(words, first, strict=True)]
            made.append({**{name: values[at] for name, values in encoded.items()}, "labels": marks})
    return made, cut
