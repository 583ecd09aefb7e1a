"""How near two words and two texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from theseus_plugin.checkpoint import load_model, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.tasks.textfiles import BLANK, lines, open_text
from theseus_plugin.tasks.tokens import longest_input


class WordSimilarity(Protocol):
    """What rules out words that are too far from the one they would replace."""

    def between(self, word: str, others: Sequence[str]) -> list[float | None]:
        """A cosine for each of the others; None where it is not known."""


class WordVectors:
    """Cosines of the vectors in a file, two rows at a time: no matrix of all words is ever made."""

    def __init__(self, rows: dict[str, int], vectors: np.ndarray) -> None:
        self._rows, self._vectors = rows, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    @classmethod
    def read(cls, file: str) -> WordVectors:
        """Read `word number number ...` lines; a first line of two numbers, as word2vec writes, is passed over.

        Raises:
            UserError: no such file, or a line that is not like the others.
        """
        rows: dict[str, int] = {}
        vectors: list[np.ndarray] = []
        with open_text(file, f"word_vectors {file}") as stream:
            for number, line in enumerate(lines(stream), start=1):
                word, *numbers = line.rstrip(BLANK).replace("\t", " ").split(" ")
                if number == 1 and len(numbers) == 1:
                    continue
                try:
                    vector = np.array(numbers, dtype=np.float32)
                except ValueError as error:
                    raise UserError(
                        f"word_vectors {file}, line {number}: cannot be read ({error}): give a word and numbers"
                    ) from None
                if vectors and len(vector) != len(vectors[0]):
                    wanted = f"{len(vector)} numbers, not {len(vectors[0])} as before"
                    raise UserError(f"word_vectors {file}, line {number}: {wanted}: fix the line")
                rows.setdefault(word.lower(), len(vectors))
                vectors.append(vector)
        if not vectors:
            raise UserError(f"word_vectors {file}: no line there: give lines of a word and numbers")
        return cls(rows, np.stack(vectors))

    def between(self, word: str, others: Sequence[str]) -> list[float | None]:
        """See `WordSimilarity`."""
        row = self._rows.get(word.lower())
        known = [None if row is None else self._rows.get(other.lower()) for other in others]
        return [None if at is None else float(self._vectors[row] @ self._vectors[at]) for at in known]


class SentenceEncoder:
    """Cosine of two texts by the mean of an encoder's last states over their tokens, as sentence encoders pool them."""

    def __init__(self, model: PreTrainedModel, tokenizer: Any, batch_size: int) -> None:
        self._model, self._tokenizer, self._size = model, tokenizer, batch_size
        self._length = longest_input(tokenizer, model.config)

    @classmethod
    def load(cls, checkpoint: str, batch_size: int) -> SentenceEncoder:
        """That of a checkpoint.

        Raises:
            UserError: it cannot be loaded.
        """
        return cls(load_model(checkpoint, "AutoModel"), load_tokenizer(checkpoint), batch_size)

    def between(self, first: Sequence[str], other: Sequence[str]) -> np.ndarray:
        """A cosine for each pair."""
        if not first:
            return np.zeros(0)
        ours, theirs = self._encode(first), self._encode(other)
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        cosines: np.ndarray = (ours * theirs).sum(axis=1) / np.maximum(norms, 1e-12)
        return cosines

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        states = []
        for start in range(0, len(texts), self._size):
            part = list(texts[start : start + self._size])
            batch = self._tokenizer(part, padding=True, truncation=True, max_length=self._length, return_tensors="pt")
            with torch.inference_mode():
                hidden = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"][:, :, None]
            states.append(((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)).numpy())
        return np.concatenate(states)
