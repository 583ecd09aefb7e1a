"""Tasks on a text or a pair of texts: one of several classes, or a number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from theseus_plugin.contract import Task, TaskData
from theseus_plugin.options.validation import Distinct
from theseus_plugin.tasks.options import TextOptions

if TYPE_CHECKING:
    from theseus_plugin.tasks.reading import Rows


class LabelledOptions(TextOptions):
    """Where labelled texts are, and how they are read."""

    label: str = Field("label", description="The column of the label.")

    @model_validator(mode="after")
    def _text_apart(self) -> Self:
        if self.label in self.texts:
            raise ValueError(f"`text` and `label` both name the column {self.label!r}: name that of the label")
        return self


class ClassificationOptions(LabelledOptions):
    """Options of `text-classification`."""

    metrics: Annotated[list[Literal["accuracy", "f1", "matthews"]], Distinct] = Field(
        ["accuracy"],
        min_length=1,
        description="The first one chooses the best checkpoint. f1 is that of the class with id 1 where "
        "there are two classes, the mean over the classes where there are more.",
    )
    labels: Annotated[list[str], Distinct] | None = Field(
        None,
        min_length=2,
        description="The classes in the order of their ids. Default: those of the checkpoint; for a new "
        "head, those of the training examples, sorted.",
    )


class RegressionOptions(LabelledOptions):
    """Options of `text-regression`."""

    metrics: Annotated[list[Literal["pearson", "spearman"]], Distinct] = Field(
        ["pearson", "spearman"], min_length=1, description="The first one chooses the best checkpoint."
    )


class _TextTask(Task):
    """What classification and regression share: reading, tokenising, padding."""

    auto_class = "AutoModelForSequenceClassification"
    label_dtype: ClassVar[Literal["int64", "float32"]]
    Config: ClassVar[type[ClassificationOptions] | type[RegressionOptions]]
    config: ClassificationOptions | RegressionOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`.

        Raises:
            UserError: a missing file, column, text or label; a label or a head that does not fit; no rows.
        """
        from theseus_plugin.checkpoint import load_config, load_tokenizer
        from theseus_plugin.tasks.metrics import scorer
        from theseus_plugin.tasks.tokens import Padding, longest_input, require_equal_ends, tokenize

        config, tokenizer = load_config(checkpoint), load_tokenizer(checkpoint)
        rows = {split: self._rows(split) for split in splits}
        labels, head = self._labels(rows, None if new_head else config, checkpoint)
        length = min(self.config.max_length, longest_input(tokenizer, config))
        texts = {split: [rows[split].texts(name) for name in self.config.texts] for split in splits}
        tokenized = {split: tokenize(tokenizer, texts[split], labels[split], length) for split in splits}
        for split, (examples, _) in tokenized.items():
            rows[split].require_tokens(examples)
        if config.is_encoder_decoder:
            for split, (examples, _) in tokenized.items():
                require_equal_ends(examples, config.eos_token_id, rows[split].place)
        return TaskData(
            splits={split: examples for split, (examples, _) in tokenized.items()},
            collate=Padding.of(tokenizer, self.label_dtype),
            score=scorer(self.config.metrics),
            metric=self.config.metrics[0],
            head=head,
            truncated={split: cut for split, (_, cut) in tokenized.items()},
            texts={split: list(zip(*columns, strict=True)) for split, columns in texts.items()},
            max_length=length,
        )

    def _rows(self, split: str) -> Rows:
        return self.config.rows(split, self.name, self.config.quoting)

    @abstractmethod
    def _labels(
        self, rows: Mapping[str, Rows], config: Any, checkpoint: str
    ) -> tuple[Mapping[str, Sequence[float]], Mapping[str, Any]]:
        """Labels by split, and the head; `config` is the checkpoint's, or None for a new head."""


class TextClassification(_TextTask):
    """One of several classes for a text or a pair of texts."""

    name = "text-classification"
    summary = "classify a text or a pair of texts, from CSV, TSV, JSON, Parquet, a saved folder or the hub"
    Config = ClassificationOptions
    label_dtype = "int64"
    config: ClassificationOptions

    def _labels(
        self, rows: Mapping[str, Rows], config: Any, checkpoint: str
    ) -> tuple[Mapping[str, Sequence[float]], Mapping[str, Any]]:
        from theseus_plugin.tasks.labels import choose_classes

        label, given = self.config.label, self.config.labels
        return choose_classes(rows, label, given, config, checkpoint, lambda: self._rows("train"))


class TextRegression(_TextTask):
    """A number for a text or a pair of texts."""

    name = "text-regression"
    summary = "predict a number for a text or a pair of texts, from the same sources as text-classification"
    Config = RegressionOptions
    label_dtype = "float32"
    config: RegressionOptions

    def _labels(
        self, rows: Mapping[str, Rows], config: Any, checkpoint: str
    ) -> tuple[Mapping[str, Sequence[float]], Mapping[str, Any]]:
        from theseus_plugin.tasks.heads import REGRESSION, require_regression
        from theseus_plugin.tasks.labels import scores

        if config is not None:
            require_regression(config, checkpoint)
        return {split: scores(split_rows, self.config.label) for split, split_rows in rows.items()}, REGRESSION
