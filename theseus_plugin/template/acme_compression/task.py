"""A task: texts and their classes from one CSV file, a part of which is held out for validation.

Importing a plugin's module must be cheap: torch, transformers and what needs them are imported in the verb.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from theseus_plugin.contract import Task, TaskData
from theseus_plugin.errors import UserError, did_you_mean


class HeldOutConfig(BaseModel):
    """The options; people see their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="The CSV file, in UTF-8 and with a header")
    text: str = Field("text", description="The column of the text")
    label: str = Field("label", description="The column of the class")
    every: int = Field(10, ge=2, description="Of so many rows the last one validates, the others train")
    max_length: int = Field(128, ge=8, description="Longer texts are cut to so many tokens, or what the model takes")


class HeldOutTask(Task):
    """Classification for who has one file and no validation set."""

    name = "held-out"
    summary = "classify the texts of one CSV file, some rows of which are kept for validation"
    Config = HeldOutConfig
    config: HeldOutConfig
    auto_class = "AutoModelForSequenceClassification"

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`.

        Raises:
            UserError: no such file or column, a row without a class, too few rows, or a class that the head does not
                have.
        """
        from theseus_plugin.checkpoint import load_config, load_tokenizer
        from theseus_plugin.tasks.metrics import scorer
        from theseus_plugin.tasks.tokens import Padding, longest_input, tokenize

        rows = self._rows()
        head = load_config(checkpoint)
        classes = (
            sorted({label for _, label in rows}) if new_head else [head.id2label[i] for i in range(head.num_labels)]
        )
        ids = {name: i for i, name in enumerate(classes)}
        tokenizer = load_tokenizer(checkpoint)
        length = min(self.config.max_length, longest_input(tokenizer, head))
        examples, texts, cut = {}, {}, {}
        for split in splits:
            chosen = [row for at, row in enumerate(rows, 1) if (at % self.config.every == 0) == (split == "validation")]
            labels = [self._id(label, ids) for _, label in chosen]
            texts[split] = [(text,) for text, _ in chosen]
            columns = [[text for text, _ in chosen]]
            examples[split], cut[split] = tokenize(tokenizer, columns, labels, length)
        return TaskData(
            splits=examples,
            collate=Padding.of(tokenizer, "int64"),
            score=scorer(["accuracy"]),
            metric="accuracy",
            head={"num_labels": len(ids), "id2label": dict(enumerate(classes)), "label2id": ids},
            truncated=cut,
            texts=texts,
            max_length=length,
        )

    def _rows(self) -> list[tuple[str, str]]:
        """Texts and classes."""
        file, names = self.config.file, (self.config.text, self.config.label)
        if not Path(file).is_file():
            raise UserError(f"{file}: no such file")
        try:
            table = csv.DictReader(io.StringIO(Path(file).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            raise UserError(f"{file}: not UTF-8: save it in UTF-8") from None
        for name in names:
            if name not in (columns := table.fieldnames or []):
                raise UserError(f"{file}: no column {name!r}: {did_you_mean(name, columns)}")
        rows = [(row[self.config.text], row[self.config.label]) for row in table]
        for at, (text, label) in enumerate(rows, 1):
            if not text or not label:
                raise UserError(f"{file}, row {at}: no text or no class: mend or drop the row")
        if len(rows) < self.config.every:
            raise UserError(f"{file}: {len(rows)} rows, none is left for validation: lower every, or add rows")
        return rows

    def _id(self, label: str, ids: dict[str, int]) -> int:
        if label not in ids:
            raise UserError(f"{self.config.file}: class {label!r} is not one of the model's: {', '.join(ids)}")
        return ids[label]
