"""The attack on one example, as a conversation: it asks for the logits of texts and is sent them.

So that many attacks can be held at once, and what they ask for be answered in full batches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from theseus_plugin.bert_attack.words import Text

_TOGETHER = 4
"""Candidates that are asked about together; those after the first that misleads the model were asked in vain."""
_HELD = 64
"""Attacks that are held at once."""
Status = Literal["success", "failure", "skipped"]
Answers = np.ndarray
"""Logits, (texts, classes)."""


@dataclass(frozen=True)
class Change:
    """A word that was replaced."""

    at: int
    """Its number among the words of the text, from 0."""
    original: str
    word: str


@dataclass(frozen=True)
class Outcome:
    """What came of an attack."""

    status: Status
    text: Text
    """Changed, if it succeeded; as far as it came, if it did not."""
    before: int
    """The predicted class of the original."""
    after: int
    """The predicted class of `text`."""
    changes: tuple[Change, ...] = ()
    queries: int = 1
    """Texts that would have been asked about one after the other, the original included."""
    evaluated: int = 1
    """Texts that were asked about, in batches."""
    reason: str = ""
    """Why it was skipped or stopped."""


@dataclass
class _Counts:
    queries: int = 1
    evaluated: int = 1
    changes: list[Change] = field(default_factory=list)


Conversation = Generator[Sequence[Text], Answers, Outcome]


def attack(
    text: Text, label: int, candidates: Sequence[Sequence[str]], mask: str, max_changed: float, max_queries: int | None
) -> Conversation:
    """BERT-ATTACK (algorithm 1): the words that matter most first, each replaced by what lowers the true class's logit
    most, until another class wins.

    Args:
        text: the text to change.
        label: its true class.
        candidates: for each word those to try, best first; words without any are left alone.
        mask: stands for a word where its importance is asked.
        max_changed: share of the words that are tried, the most important ones; one always is.
        max_queries: texts that may be asked about in all, the original included; None: no limit.
    """
    logits = (yield [text])[0]
    before = int(logits.argmax())
    if before != label:
        return Outcome("skipped", text, before, before, reason="wrong already")
    open_words = [at for at, words in enumerate(candidates) if words]
    if not open_words:
        return Outcome("skipped", text, before, before, reason="no word to change")
    counts = _Counts()
    left = _left(counts, max_queries)
    if left is not None and len(open_words) > left:
        return Outcome("skipped", text, before, before, reason="more words than queries")
    masked = yield [text.with_word(at, mask) for at in open_words]
    counts.queries += len(open_words)
    counts.evaluated += len(open_words)
    order = np.argsort(masked[:, label], kind="stable")  # the lower without the word, the more it matters
    tried = [open_words[place] for place in order[: max(1, int(max_changed * len(text.words)))]]

    current, lowest = text, float(logits[label])
    for at in tried:
        best: str | None = None
        for part in _parts(candidates[at], lambda: _left(counts, max_queries)):
            answers = yield [current.with_word(at, word) for word in part]
            winners = answers.argmax(axis=1)
            misled = np.flatnonzero(winners != label)
            counts.evaluated += len(part)
            if len(misled):
                word = part[misled[0]]
                counts.queries += int(misled[0]) + 1
                counts.changes.append(Change(at, text.words[at], word))
                changed, after = current.with_word(at, word), int(winners[misled[0]])
                return Outcome(
                    "success", changed, before, after, tuple(counts.changes), counts.queries, counts.evaluated
                )
            counts.queries += len(part)
            if answers[:, label].min() < lowest:
                best, lowest = part[int(answers[:, label].argmin())], float(answers[:, label].min())
        if best is not None:
            counts.changes.append(Change(at, text.words[at], best))
            current = current.with_word(at, best)
    reason = "no queries left" if _left(counts, max_queries) == 0 else "no candidate misleads the model"
    changes = tuple(counts.changes)
    return Outcome("failure", current, before, before, changes, counts.queries, counts.evaluated, reason)


def hold(
    conversations: Sequence[Conversation],
    answer: Callable[[Sequence[tuple[int, Text]]], Answers],
    told: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """What comes of all attacks, many of them held at once.

    Args:
        conversations: one for each example.
        answer: the logits of texts, each with the number of its example.
        told: called when one is over.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = iter(range(len(conversations)))
    asked: dict[int, Sequence[Text]] = {}

    def turn(number: int, answers: Answers | None) -> None:
        """Send answers, or begin, and keep what is asked next or came of it."""
        try:
            asked[number] = next(conversations[number]) if answers is None else conversations[number].send(answers)
        except StopIteration as end:
            outcomes[number] = end.value
            told()

    while len(outcomes) < len(conversations):
        for number in waiting:
            turn(number, None)
            if len(asked) == _HELD:
                break
        numbered = [(number, text) for number, texts in asked.items() for text in texts]
        answers, sizes = answer(numbered), {number: len(texts) for number, texts in asked.items()}
        asked.clear()
        start = 0
        for number, size in sizes.items():
            turn(number, answers[start : start + size])
            start += size
    return [outcomes[number] for number in range(len(conversations))]


def _left(counts: _Counts, max_queries: int | None) -> int | None:
    return None if max_queries is None else max_queries - counts.evaluated


def _parts(words: Sequence[str], left: Callable[[], int | None]) -> Iterator[Sequence[str]]:
    """Words, so many at a time as are asked about together and may still be."""
    start = 0
    while start < len(words):
        allowed = left()
        size = _TOGETHER if allowed is None else min(_TOGETHER, allowed)
        if size <= 0:
            return
        yield words[start : start + size]
        start += size
