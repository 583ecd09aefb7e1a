"""Instances as token ids: every text is tokenised once, and instances are put together of the pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theseus_plugin.checkpoint import load_config, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.loading.pairing import refuse_unknown
from theseus_plugin.relations.text import Instance
from theseus_plugin.tasks.tokens import longest_input

_CONTEXT = "Context:"


class Encoder:
    """Puts instances together as the tokenizer would encode their two texts.

    What stands around a pair, such as [CLS] and [SEP], and the types of its tokens are read off an example.

    Args:
        tokenizer: a fast one.
        max_length: in tokens. Whole steps of a path are left out at its end until the rest fits; the question never is.

    Raises:
        UserError: the tokenizer cannot encode pairs.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length
        self._known: dict[str, list[int]] = {}
        encoded = tokenizer("a", "b")
        places = [at for at, side in enumerate(encoded.sequence_ids(0)) if side is not None]
        if len(places) != 2:
            raise UserError("this tokenizer does not encode pairs of texts as one input: choose another checkpoint")
        first, second = places
        ids = encoded["input_ids"]
        self._around = ids[:first], ids[first + 1 : second], ids[second + 1 :]
        types = encoded.get("token_type_ids")
        self._types = None if types is None else (types[first], types[first + 1 : second], types[second], types[-1])

    @classmethod
    def of(cls, checkpoint: str, max_length: int) -> Encoder:
        """For a checkpoint, whose own limit counts if it is lower."""
        tokenizer = load_tokenizer(checkpoint)
        return cls(tokenizer, min(max_length, longest_input(tokenizer, load_config(checkpoint))))

    @property
    def names(self) -> list[str]:
        """Of the inputs."""
        return ["input_ids", "attention_mask", *(["token_type_ids"] if self._types is not None else [])]

    def encode(self, instance: Instance) -> tuple[dict[str, list[int]], bool]:
        """Inputs as the model takes them, unpadded, and whether steps were left out.

        Raises:
            UserError: the question alone is too long.
        """
        before, between, after = self._around
        question = self._ids(instance.question, begins=True)
        context = list(self._ids(_CONTEXT, begins=True))
        room = self.max_length - len(before) - len(question) - len(between) - len(after)
        if len(context) > room:
            raise UserError(
                f"max_length: {self.max_length} tokens do not hold the question {instance.question!r}: allow more"
            )
        cut = False
        for step in instance.context:
            ids = self._ids(step, begins=False)
            if len(context) + len(ids) > room:
                cut = True
                break
            context += ids
        input_ids = [*before, *question, *between, *context, *after]
        refuse_unknown(self.tokenizer, input_ids, repr(instance.question))
        features = {"input_ids": input_ids, "attention_mask": [1] * len(input_ids)}
        if self._types is not None:
            first, middle, second, last = self._types
            features["token_type_ids"] = [
                *[first] * (len(before) + len(question)), *middle, *[second] * len(context), *[last] * len(after)
            ]  # fmt: skip
        return features, cut

    def _ids(self, text: str, begins: bool) -> Sequence[int]:
        """Of a text at the beginning of its side, or after a space."""
        key = text if begins else f" {text}"
        if key not in self._known:
            self._known[key] = self.tokenizer(key, add_special_tokens=False)["input_ids"]
        return self._known[key]
