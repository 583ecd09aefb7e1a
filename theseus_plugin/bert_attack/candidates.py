"""Words that a masked language model would write in the places of a text, from one pass over the text as it is.

BERT-ATTACK, section 3.2: nothing is masked, so that the proposals keep to the meaning. A word of several pieces is
replaced by as many pieces, ranked by the perplexity of the combination, or by one whole word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch

from theseus_plugin.bert_attack.similarity import WordSimilarity
from theseus_plugin.bert_attack.words import Text, in_the_case_of, is_word
from theseus_plugin.checkpoint import load_model, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.tasks.tokens import longest_input

_CONTINUES = "##"
"""What WordPiece writes before a piece that continues a word."""
_TOKENS = 1024
"""Tokens of a pass: their logits are a vocabulary each."""
Ranked = list[tuple[float, tuple[int, ...]]]
"""Pieces with the mean of their log-probabilities, the highest first."""


class Proposer:
    """A masked language model, and what may not be proposed.

    Args:
        checkpoint: of the model, whose tokenizer need not be that of the attacked one.
        count: words for each place, and pieces considered for each piece (K).
        stop_words: neither attacked nor proposed, in lower case.
        similarity: rules words out; None: none.
        least: the similarity below which it does.

    Raises:
        UserError: no such checkpoint, or one without a trained head for hidden words.
    """

    def __init__(
        self,
        checkpoint: str,
        count: int,
        stop_words: Collection[str],
        similarity: WordSimilarity | None = None,
        least: float = 0.4,
    ) -> None:
        self.model = load_model(checkpoint, "AutoModelForMaskedLM")
        self.tokenizer = load_tokenizer(checkpoint)
        if self.tokenizer.mask_token_id is None:
            raise UserError(f"mlm {checkpoint}: its tokenizer has no mask token: give a masked language model")
        self._count, self._stop_words, self._similarity, self._least = count, stop_words, similarity, least
        self._length = longest_input(self.tokenizer, self.model.config)
        tokens = self.tokenizer.convert_ids_to_tokens(range(min(self.model.config.vocab_size, len(self.tokenizer))))
        self._marks_continuation = any(token.startswith(_CONTINUES) for token in tokens)
        self._begins, self._usable = self._pieces(tokens)
        self._known: dict[Text, list[list[str]]] = {}

    def propose(self, texts: Sequence[Text]) -> list[list[list[str]]]:
        """For each text and each of its words the words to try, those that fit best first; none for stop words, and
        none where the text is longer than the model takes. What was found is kept, for the next model that is attacked.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= zip(new, self._find(new), strict=True)
        return [self._known[text] for text in texts]

    def _find(self, texts: Sequence[Text]) -> list[list[list[str]]]:
        """`propose`, by a pass of the model over each text."""
        encoded = self.tokenizer(
            [str(text) for text in texts], truncation=True, max_length=self._length, return_offsets_mapping=True
        )
        found: list[list[list[str]]] = [[] for _ in texts]
        for batch in _batches([len(ids) for ids in encoded["input_ids"]]):
            logits = self._logits([encoded["input_ids"][at] for at in batch])
            for at, rows in zip(batch, logits, strict=True):
                places = _places(encoded["offset_mapping"][at], texts[at])
                ids = encoded["input_ids"][at]
                found[at] = [
                    self._words(word, rows[pieces], [ids[piece] for piece in pieces])
                    for word, pieces in zip(texts[at].words, places, strict=True)
                ]
        return found

    def _logits(self, ids: Sequence[Sequence[int]]) -> Iterator[torch.Tensor]:
        """(length, vocabulary) of each text."""
        batch = self.tokenizer.pad({"input_ids": [list(row) for row in ids]}, return_tensors="pt")
        with torch.inference_mode():
            logits = self.model(**batch).logits
        left = self.tokenizer.padding_side == "left"
        for row, text in zip(logits, ids, strict=True):
            yield row[-len(text) :] if left else row[: len(text)]

    def _words(self, word: str, logits: torch.Tensor, ids: Sequence[int]) -> list[str]:
        """The words to try in the place of one, whose pieces have these logits and ids."""
        if not ids or word.lower() in self._stop_words:
            return []
        top = self._top(logits, ids)
        ranked: Ranked = [(score, (piece,)) for score, piece in zip(*top[0], strict=True)]
        if len(ids) > 1:
            ranked = sorted([*ranked, *best_combinations(top, self._count)], key=lambda one: -one[0])
        words: dict[str, None] = {}
        for _, pieces in ranked:
            proposed = self._spelled(pieces)
            if is_word(proposed) and proposed.lower() not in self._stop_words and proposed.lower() != word.lower():
                words.setdefault(in_the_case_of(proposed, word))
        return self._similar(word, list(words))[: self._count]

    def _top(self, logits: torch.Tensor, ids: Sequence[int]) -> list[tuple[list[float], list[int]]]:
        """For each piece the log-probabilities and ids of the best that can stand there: one that begins a word where
        the original does, and ones that continue it after that.
        """
        allowed = torch.stack([self._usable & (self._begins == self._begins[one]) for one in ids])
        scores = logits.log_softmax(-1).masked_fill(~allowed, -torch.inf)
        values, pieces = scores.topk(min(self._count, scores.shape[-1]))
        kept = [row > -torch.inf for row in values]
        return [(v[k].tolist(), p[k].tolist()) for v, p, k in zip(values, pieces, kept, strict=True)]

    def _pieces(self, tokens: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """For each id whether it begins a word, and whether it may be proposed at all."""
        if self._marks_continuation:
            begins = [not token.startswith(_CONTINUES) for token in tokens]
        else:  # byte-pair and unigram vocabularies mark the space before a word
            begins = [token.startswith(("Ġ", "▁")) for token in tokens]
        size = self.model.config.vocab_size
        missing = [False] * (size - len(tokens))
        usable = torch.tensor([True] * len(tokens) + missing)
        usable[[one for one in self.tokenizer.all_special_ids if one < size]] = False
        return torch.tensor(begins + missing), usable

    def _spelled(self, pieces: Sequence[int]) -> str:
        tokens = self.tokenizer.convert_ids_to_tokens(pieces)
        if self._marks_continuation:  # which a tokenizer without a decoder would leave there
            return "".join(token.removeprefix(_CONTINUES) for token in tokens)
        return str(self.tokenizer.decode(pieces)).strip()

    def _similar(self, word: str, others: list[str]) -> list[str]:
        if self._similarity is None:
            return others
        known = self._similarity.between(word, others)
        return [other for other, value in zip(others, known, strict=True) if value is None or value >= self._least]


def best_combinations(pieces: Sequence[tuple[Sequence[float], Sequence[int]]], count: int) -> Ranked:
    """The `count` sequences of one piece from each place that have the highest sum of log-probabilities.

    The sum is of independent terms: what is among the best has a beginning that is among the best of its length, so
    that a beam as wide as the answer misses nothing, and the product of all places is never made.

    Args:
        pieces: of each place, log-probabilities and ids.
        count: how many to give.
    """
    sums, chosen = np.zeros(1), np.zeros((1, 0), dtype=int)
    for scores, ids in pieces:
        totals = (sums[:, None] + np.asarray(scores)[None, :]).ravel()
        best = np.argsort(-totals, kind="stable")[:count]
        before, last = np.divmod(best, max(1, len(scores)))
        sums, chosen = totals[best], np.column_stack([chosen[before], np.asarray(ids, dtype=int)[last]])
    return [(float(total) / len(pieces), tuple(map(int, row))) for total, row in zip(sums, chosen, strict=True)]


def _places(offsets: Sequence[tuple[int, int]], text: Text) -> list[list[int]]:
    """The tokens of each word."""
    inside = [(at, start, end) for at, (start, end) in enumerate(offsets) if end > start]
    return [[at for at, start, end in inside if start < last and end > first] for first, last in text.spans]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of similar length, so many at a time that their tokens stay within bounds."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > _TOKENS:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
