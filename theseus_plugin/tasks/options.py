"""Where a task's examples are: the options that all tasks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import Options

if TYPE_CHECKING:
    from theseus_plugin.tasks.reading import Rows


class SourceOptions(Options):
    """Where the examples are."""

    data: str | None = Field(
        None,
        description="A folder saved by `datasets`' save_to_disk, a folder of data files, or the name of a "
        "data set on the hub. Either this, or the files `train` and `validation`.",
    )
    subset: str | None = Field(None, description="The configuration of `data`, for data sets that have several.")
    train: str | None = Field(
        None, description="The training file; with `data`, the name of the split (default: train)."
    )
    validation: str | None = Field(
        None, description="The validation file; with `data`, the name of the split (default: validation)."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.data is None and self.train is None and self.validation is None:
            raise ValueError("no examples: give either `data`, or the files `train` and `validation`")
        if self.data is None and self.subset is not None:
            raise ValueError("`subset` is a configuration of `data`, which is not given")
        return self

    def named(self, split: str, task: str) -> str:
        """What the options call a split: a file, or with `data` a split of it.

        Raises:
            UserError: they do not; `task` is the one the message speaks of.
        """
        given: str | None = getattr(self, split)
        if given is None and self.data is None:
            raise UserError(f"task {task}: no {split} examples: give the file as `{split}`, or give `data`")
        return given or split

    def rows(self, split: str, task: str, quoting: Literal["auto", "literal", "csv"] = "auto") -> Rows:
        """The rows of a split.

        Raises:
            UserError: they are not given, or cannot be read.
        """
        from theseus_plugin.tasks.reading import read_data, read_files

        name = self.named(split, task)
        return read_files([name], quoting) if self.data is None else read_data(self.data, self.subset, name, quoting)


class TextOptions(SourceOptions):
    """Where texts are, and how they are read."""

    text: str | list[str] = Field(description="The column of the text, or the two columns of a pair.")
    quoting: Literal["auto", "literal", "csv"] = Field(
        "auto",
        description="Quotes in CSV and TSV: `literal` characters, or `csv` quoting; auto: literal for TSV.",
    )
    max_length: int = Field(
        128,
        ge=8,
        description="Longer inputs are cut to so many tokens, special ones included; "
        "never more than the checkpoint takes.",
    )

    @field_validator("text")
    @classmethod
    def _one_or_two(cls, text: str | list[str]) -> str | list[str]:
        if isinstance(text, list) and len(text) not in (1, 2):
            raise ValueError("name one column, or the two columns of a pair")
        if isinstance(text, list) and len(set(text)) < len(text):
            raise ValueError(f"the column {text[0]!r} is named twice: name the two columns of a pair")
        return text

    @property
    def texts(self) -> list[str]:
        """The columns of the text."""
        return [self.text] if isinstance(self.text, str) else self.text
