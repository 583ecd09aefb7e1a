"""The task of a class for every word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from theseus_plugin.contract import Task, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import Distinct
from theseus_plugin.tasks.options import SourceOptions

if TYPE_CHECKING:
    from theseus_plugin.tasks.reading import Rows


class TokenClassificationOptions(SourceOptions):
    """Options of `token-classification`. Files may be JSONL, Parquet, or `.conll`: WORD<tab>TAG lines."""

    words: str = Field("words", description="The column of the words, a list of texts.")
    tags: str = Field("tags", description="The column of their tags, a list of texts or of class ids.")
    max_length: int = Field(128, ge=8, description="Longer sentences are cut to so many tokens, special ones included.")
    metrics: Annotated[list[Literal["f1", "accuracy"]], Distinct] = Field(
        ["f1", "accuracy"],
        min_length=1,
        description="The first one chooses the best checkpoint. f1 is that of whole entities in B-, I- and O tags; "
        "accuracy that of words.",
    )

    @model_validator(mode="after")
    def _words_apart(self) -> Self:
        if self.words == self.tags:
            raise ValueError(f"`words` and `tags` both name the column {self.words!r}: name that of the tags")
        return self


class TokenClassification(Task):
    """A class for every word of a sentence."""

    name = "token-classification"
    summary = "tag the words of a sentence, from JSON, Parquet, CoNLL text, a saved folder or the hub"
    auto_class = "AutoModelForTokenClassification"
    Config = TokenClassificationOptions
    config: TokenClassificationOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`.

        Raises:
            UserError: a missing file or column, words and tags that do not fit each other or the head, no rows, or
                f1 of other tags than B-, I- and O.
        """
        from theseus_plugin.checkpoint import load_config, load_tokenizer
        from theseus_plugin.tasks.heads import classes_of, labelled
        from theseus_plugin.tasks.marks import mark_ids
        from theseus_plugin.tasks.spans import WordCounts, is_tagging, span_f1, word_accuracy
        from theseus_plugin.tasks.tagged_words import sentences, tokenize_words
        from theseus_plugin.tasks.tokens import Padding, longest_input

        config = load_config(checkpoint)
        # byte-level tokenizers, as RoBERTa's, know a word by the space before it
        tokenizer = load_tokenizer(checkpoint, add_prefix_space=True)
        words, tags, metrics = self.config.words, self.config.tags, self.config.metrics
        rows = {split: self._rows(split) for split in splits}
        found = {split: sentences(rows[split], words, tags) for split in splits}
        if new_head:
            source = found.get("train") or sentences(self._rows("train"), words, tags)
            names = source.tags.classes()
        else:
            names = classes_of(config, checkpoint)
        if "f1" in metrics and not is_tagging(names):
            raise UserError(
                f"task {self.name}: f1 is that of entities in B-, I- and O tags, but there are {', '.join(names[:5])}"
                f"{', ...' if len(names) > 5 else ''}: set metrics: [accuracy]"
            )
        length = min(self.config.max_length, longest_input(tokenizer, config))
        ids = mark_ids({split: ours.tags for split, ours in found.items()}, names)
        made = {split: tokenize_words(tokenizer, found[split].words, ids[split], length) for split in splits}
        for split, ours in made.items():
            rows[split].require_tokens(ours.examples)
        functions = {"f1": span_f1, "accuracy": word_accuracy}
        return TaskData(
            splits={split: ours.examples for split, ours in made.items()},
            collate=Padding.of(tokenizer, "int64", per_token=True),
            score=lambda logits, labels: {name: functions[name](logits, labels) for name in metrics},
            metric=metrics[0],
            head=labelled(names),
            truncated={split: ours.cut for split, ours in made.items()},
            max_length=length,
            reduce=WordCounts(tuple(names)),
            notes=[
                f"{split}: {ours.without_pieces:,} words have no piece of text: they are neither trained nor scored"
                for split, ours in made.items()
                if ours.without_pieces
            ],
        )

    def _rows(self, split: str) -> Rows:
        from theseus_plugin.tasks.conll import SUFFIX, read_conll

        name = self.config.named(split, self.name)
        if self.config.data is None and name.endswith(SUFFIX):
            return read_conll(name, self.config.words, self.config.tags)
        return self.config.rows(split, self.name)
