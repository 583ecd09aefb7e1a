"""Tasks on texts without labels: tell hidden tokens, or the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from theseus_plugin.contract import Features, Task, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import Distinct, Seed
from theseus_plugin.tasks.options import TextOptions

if TYPE_CHECKING:
    from theseus_plugin.tasks.reading import Rows

METRICS: list[Literal["perplexity", "accuracy"]] = ["perplexity", "accuracy"]


class MaskedOptions(TextOptions):
    """Options of `masked-lm`."""

    metrics: Annotated[list[Literal["perplexity", "accuracy"]], Distinct] = Field(
        METRICS, min_length=1, description="Over the hidden tokens; the first one chooses the best checkpoint."
    )
    seed: Seed = Field(0, description="Decides which tokens are hidden.")


class CausalOptions(TextOptions):
    """Options of `causal-lm`."""

    text: str = Field(description="The column of the text.")
    max_length: int = Field(
        128, ge=8, description="Longer texts go on in further examples of so many tokens; never more than it takes."
    )
    metrics: Annotated[list[Literal["perplexity", "accuracy"]], Distinct] = Field(
        METRICS, min_length=1, description="Over all tokens but first ones; the first one chooses the best checkpoint."
    )


class _LanguageTask(Task):
    """What both share: texts of a column, and metrics that are sums over tokens."""

    ahead: bool
    config: MaskedOptions | CausalOptions

    def _rows(self, split: str) -> Rows:
        return self.config.rows(split, self.name, self.config.quoting)

    def _score(self, logits: Any, labels: Any) -> dict[str, float]:
        from theseus_plugin.tasks import perplexity

        return {name: getattr(perplexity, name)(logits, labels) for name in self.config.metrics}

    def _data(self, splits: dict[str, Sequence[Features]], collate: Any, **more: Any) -> TaskData:
        from theseus_plugin.tasks.perplexity import TokenLosses

        return TaskData(
            splits=splits,
            collate=collate,
            score=self._score,
            metric=self.config.metrics[0],
            head={},
            reduce=TokenLosses(self.ahead),
            lower_is_better=frozenset({"perplexity"}),
            **more,
        )


class MaskedLM(_LanguageTask):
    """The hidden tokens of a text or a pair of texts."""

    name = "masked-lm"
    summary = "tell the hidden tokens of texts, from the same sources as text-classification"
    auto_class = "AutoModelForMaskedLM"
    Config = MaskedOptions
    ahead = False
    config: MaskedOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`. Training examples have other tokens hidden in every epoch.

        Raises:
            UserError: a missing file, column or text, no rows, or a tokenizer without a mask.
        """
        from theseus_plugin.checkpoint import load_config, load_tokenizer
        from theseus_plugin.tasks.masking import MaskedAnew, Masks, masked_once
        from theseus_plugin.tasks.tokens import Padding, longest_input, tokenize

        tokenizer = load_tokenizer(checkpoint)
        if tokenizer.mask_token_id is None:
            raise UserError(f"{checkpoint}: its tokenizer has no mask token: choose the task causal-lm, or another one")
        length = min(self.config.max_length, longest_input(tokenizer, load_config(checkpoint)))
        rows = {split: self._rows(split) for split in splits}
        texts = {split: [rows[split].texts(name) for name in self.config.texts] for split in splits}
        made = {split: tokenize(tokenizer, columns, None, length) for split, columns in texts.items()}
        for split, (examples, _) in made.items():
            rows[split].require_tokens(examples)
        masks, seed = Masks(tokenizer), self.config.seed
        return self._data(
            {
                split: MaskedAnew(examples, masks, seed) if split == "train" else masked_once(examples, masks, seed)
                for split, (examples, _) in made.items()
            },
            Padding.of(tokenizer, "int64", per_token=True),
            truncated={split: cut for split, (_, cut) in made.items()},
            texts={split: list(zip(*columns, strict=True)) for split, columns in texts.items()},
            max_length=length,
        )


class CausalLM(_LanguageTask):
    """The next token of a text."""

    name = "causal-lm"
    summary = "tell the next token of texts, from the same sources as text-classification"
    auto_class = "AutoModelForCausalLM"
    Config = CausalOptions
    ahead = True
    config: CausalOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`. A text and the end-of-text token are cut into examples of `max_length` tokens; none holds
        parts of two texts.

        Raises:
            UserError: a missing file, column or text, no rows, or not one text of two tokens.
        """
        from dataclasses import replace

        from theseus_plugin.checkpoint import load_config, load_tokenizer
        from theseus_plugin.tasks.tokens import Padding, blocks, longest_input

        tokenizer = load_tokenizer(checkpoint)
        length = min(self.config.max_length, longest_input(tokenizer, load_config(checkpoint)))
        made: dict[str, Sequence[Features]] = {
            split: blocks(tokenizer, self._rows(split).texts(self.config.text), length) for split in splits
        }
        for split, examples in made.items():
            if not examples:
                raise UserError(f"task {self.name}: no text of {split} has two tokens: give other texts")
        # behind the text, whatever the tokenizer does: positions count from the first token
        return self._data(made, replace(Padding.of(tokenizer, "int64", per_token=True), left=False), max_length=length)
