"""Entities against a second implementation: the rules of the CoNLL script, as seqeval has them."""

import pickle
import random

import numpy as np
import pytest
import torch

from theseus_plugin.tasks.spans import WordCounts, is_tagging, span_f1, spans, word_accuracy

NAMES = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def chunks(tags):
    """An entity ends before, and one begins at, whatever the script says of two neighbours."""
    found, begin = set(), None
    for place, (before, tag) in enumerate(zip(["O", *tags], [*tags, "O"], strict=True)):
        (mark_before, _, kind_before), (mark, _, kind) = before.partition("-"), tag.partition("-")
        ends = mark_before in ("B", "I") and (mark in ("B", "O") or kind_before != kind)
        begins = mark == "B" or (mark == "I" and (mark_before == "O" or kind_before != kind))
        if ends:
            found.add((begin, place, kind_before))
        if begins:
            begin = place
    return found


def test_entities_are_those_of_the_script():
    chance = random.Random(0)
    for _ in range(2000):
        tags = chance.choices(NAMES, k=chance.randrange(8))
        assert spans(tags) == chunks(tags), tags


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("B-PER I-PER O B-LOC", {(0, 2, "PER"), (3, 4, "LOC")}),
        ("I-PER I-PER O", {(0, 2, "PER")}),
        ("B-PER I-LOC", {(0, 1, "PER"), (1, 2, "LOC")}),
        ("B-PER B-PER", {(0, 1, "PER"), (1, 2, "PER")}),
        ("O", set()),
    ],
)
def test_entities_by_hand(tags, entities):
    assert spans(tags.split()) == entities


def counted(sentences):
    """Rows and answers for (right, given) tags, padded with what must not count."""
    width = max(len(right.split()) for right, _ in sentences) + 2
    labels = torch.full((len(sentences), width), -100)
    logits = torch.zeros(len(sentences), width, len(NAMES))
    logits[..., NAMES.index("B-PER")] = 0.5
    for row, (right, given) in enumerate(sentences):
        for place, (r, g) in enumerate(zip(right.split(), given.split(), strict=True), start=1):
            labels[row, place] = NAMES.index(r)
            logits[row, place, NAMES.index(g)] = 1
    reduce = pickle.loads(pickle.dumps(WordCounts(NAMES)))
    return [part.numpy() for part in reduce(logits, labels)]


SENTENCES = [
    ("B-PER I-PER O B-LOC", "B-PER I-PER O O"),  # 1 of 1 found, 2 there
    ("O B-LOC O", "B-PER B-LOC I-LOC"),  # 0 of 2 found, 1 there
    ("O O", "O O"),
]


def test_scores_by_hand():
    rows, answers = counted(SENTENCES)
    precision, recall = 1 / 3, 1 / 3
    assert span_f1(rows, answers) == pytest.approx(2 * precision * recall / (precision + recall))
    assert word_accuracy(rows, answers) == pytest.approx((3 + 1 + 2) / 9)


def test_rows_are_examples():
    """Resampling draws whole sentences: rows drawn give what these sentences give."""
    rows, answers = counted(SENTENCES)
    drawn = np.array([1, 0, 0])
    again = counted([SENTENCES[at] for at in drawn])
    assert span_f1(rows[drawn], answers[drawn]) == span_f1(*again)
    assert span_f1(rows[[2]], answers[[2]]) == 0


def test_what_tags_are():
    assert is_tagging(NAMES)
    assert not is_tagging(["O", "NOUN"])
    assert not is_tagging(["O", "B-"])
