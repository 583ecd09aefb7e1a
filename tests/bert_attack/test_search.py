"""Toy targets whose logits are a function of the words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from theseus_plugin.bert_attack.search import Outcome, attack, hold
from theseus_plugin.bert_attack.words import Text

Model = Callable[[Text], list[float]]


def weighing(weights: Mapping[str, float], bias: float = 0.0) -> Model:
    """Class 1 wins where the weights of the words and `bias` are above 0."""

    def model(text: Text) -> list[float]:
        total = bias + sum(weights.get(word.lower(), 0.0) for word in text.words)
        return [0.0, total]

    return model


class Asked:
    """Runs one attack and notes what it asks."""

    def __init__(
        self,
        model: Model,
        text: str,
        candidates: Sequence[Sequence[str]],
        label: int = 1,
        max_changed: float = 1.0,
        max_queries: int | None = None,
    ) -> None:
        self.texts: list[str] = []

        def answer(asked: Sequence[tuple[int, Text]]) -> np.ndarray:
            self.texts += [str(one) for _, one in asked]
            return np.array([model(one) for _, one in asked])

        conversation = attack(Text.of(text), label, candidates, "[MASK]", max_changed, max_queries)
        [self.outcome] = hold([conversation], answer)


def test_a_known_keyword_is_found_and_it_alone_is_changed() -> None:
    words = [["so", "such"], ["movie", "story"], ["bad", "dull"], ["to", "for"], []]
    asked = Asked(weighing({"good": 1.0}, bias=-0.5), "A film, good for all.", words)
    outcome = asked.outcome
    assert outcome.status == "success"
    assert str(outcome.text) == "A film, bad for all."
    assert [(change.at, change.original, change.word) for change in outcome.changes] == [(2, "good", "bad")]
    assert (outcome.before, outcome.after) == (1, 0)
    assert asked.texts[:5] == [
        "A film, good for all.",
        "[MASK] film, good for all.",
        "A [MASK], good for all.",
        "A film, [MASK] for all.",
        "A film, good [MASK] all.",
    ]


@pytest.mark.parametrize("text", ["nothing here good", "good"])
def test_the_last_word_and_the_only_word_can_be_attacked(text: str) -> None:
    count = len(text.split())
    outcome = Asked(weighing({"good": 1.0}, -0.5), text, [[]] * (count - 1) + [["bad"]], max_changed=0.1).outcome
    assert outcome.status == "success"
    assert str(outcome.text) == text.replace("good", "bad")


def test_words_are_committed_one_after_the_other_while_they_help() -> None:
    model = weighing({"fine": 3.0, "good": 2.0, "dull": -0.5, "poor": -1.0, "odd": 0.5}, bias=-0.5)
    outcome = Asked(model, "fine good odd", [["dull", "poor"], ["poor"], ["poor"]]).outcome
    # 5 -> fine becomes poor: 1.0 -> good becomes poor: -2
    assert [(change.original, change.word) for change in outcome.changes] == [("fine", "poor"), ("good", "poor")]
    assert outcome.status == "success"
    assert str(outcome.text) == "poor poor odd"


def test_a_text_that_no_candidate_hurts_is_left_as_it_was() -> None:
    model = weighing({"good": 1.0, "great": 5.0, "super": 6.0})
    outcome = Asked(model, "A good film", [["the"], ["great", "super"], ["movie"]]).outcome
    assert outcome.status == "failure"
    assert str(outcome.text) == "A good film"
    assert outcome.changes == ()
    assert outcome.reason == "no candidate misleads the model"


def test_only_the_most_important_share_of_the_words_is_tried() -> None:
    model = weighing({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "x": 0.5}, bias=1.0)
    outcome = Asked(model, "a b c d e", [["x"]] * 5, max_changed=0.4).outcome
    assert [change.at for change in outcome.changes] == [3, 2]


def test_a_class_that_was_wrong_already_is_skipped_after_one_query() -> None:
    asked = Asked(weighing({}, bias=-1.0), "A film", [["x"], ["y"]])
    assert (asked.outcome.status, asked.outcome.reason) == ("skipped", "wrong already")
    assert len(asked.texts) == asked.outcome.queries == 1


@pytest.mark.parametrize("text", ["", "?!", "the of"])
def test_without_words_there_is_nothing_to_attack(text: str) -> None:
    outcome = Asked(weighing({}, bias=1.0), text, [[] for _ in Text.of(text).words]).outcome
    assert (outcome.status, outcome.reason) == ("skipped", "no word to change")


def test_queries_are_counted_one_by_one_and_in_batches() -> None:
    words = [f"w{number}" for number in range(20)] + ["bad"] + [f"v{number}" for number in range(20)]
    asked = Asked(weighing({"bad": -1.0, "good": 0.1}, 0.5), "good film", [words, []])
    assert asked.outcome.queries == 1 + 1 + 21  # the text, the word masked, candidates up to the one that misleads
    assert asked.outcome.evaluated == len(asked.texts) == 1 + 1 + 24  # six whole batches of four


@pytest.mark.parametrize("budget", range(1, 40))
def test_the_budget_is_never_exceeded(budget: int) -> None:
    candidates = [[f"w{number}" for number in range(10)]] * 3
    asked = Asked(weighing({}, bias=1.0), "one two three", candidates, max_queries=budget)
    assert len(asked.texts) == asked.outcome.evaluated <= budget
    assert asked.outcome.queries <= budget
    if budget < 4:
        assert (asked.outcome.status, asked.outcome.reason) == ("skipped", "more words than queries")
    elif budget <= 34:
        assert asked.outcome.reason == "no queries left"
    else:
        assert asked.outcome.reason == "no candidate misleads the model"


def test_many_attacks_held_at_once_come_out_as_each_alone() -> None:
    random = np.random.default_rng(3)
    names = [f"w{number}" for number in range(30)]
    model = weighing({name: float(weight) for name, weight in zip(names, random.normal(size=30), strict=True)}, 0.7)
    examples: list[tuple[Text, Any]] = []
    for _ in range(150):
        words = random.choice(names, random.integers(1, 9)).tolist()
        examples.append((Text.of(" ".join(words)), [random.choice(names, 12).tolist() for _ in words]))
    sizes: list[int] = []

    def answer(asked: Sequence[tuple[int, Text]]) -> np.ndarray:
        sizes.append(len(asked))
        return np.array([model(text) for _, text in asked])

    def conversation(text: Text, candidates: Any) -> Any:
        return attack(text, 1, candidates, "[MASK]", 0.5, 60)

    together: list[Outcome] = hold([conversation(*example) for example in examples], answer)
    calls = len(sizes)
    alone = [hold([conversation(*example)], answer)[0] for example in examples]
    assert together == alone
    assert {outcome.status for outcome in alone} == {"success", "failure", "skipped"}
    assert calls < (len(sizes) - calls) / 10
    for (text, _), outcome in zip(examples, together, strict=True):
        if outcome.status == "success":
            assert np.argmax(model(outcome.text)) == outcome.after != 1
        assert len([1 for a, b in zip(text.words, outcome.text.words, strict=True) if a != b]) <= len(outcome.changes)
