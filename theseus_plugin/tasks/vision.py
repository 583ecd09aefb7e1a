"""The task of a class for an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from theseus_plugin.contract import Task, TaskData
from theseus_plugin.options.validation import Distinct
from theseus_plugin.tasks.options import SourceOptions

if TYPE_CHECKING:
    from theseus_plugin.tasks.reading import Rows


class ImageClassificationOptions(SourceOptions):
    """Options of `image-classification`. `train` and `validation` may be folders of images, `CLASS/NAME.png`, and
    `data` a folder of two such folders.
    """

    image: str = Field("image", description="The column of the image: a file's bytes, or its path.")
    label: str = Field("label", description="The column of the label.")
    metrics: Annotated[list[Literal["accuracy", "f1", "matthews"]], Distinct] = Field(
        ["accuracy"], min_length=1, description="As of text-classification; the first one chooses the best checkpoint."
    )
    labels: Annotated[list[str], Distinct] | None = Field(
        None,
        min_length=2,
        description="The classes in the order of their ids. Default: those of the checkpoint; for a new "
        "head, those of the training examples, sorted.",
    )

    @model_validator(mode="after")
    def _image_apart(self) -> Self:
        if self.image == self.label:
            raise ValueError(f"`image` and `label` both name the column {self.image!r}: name that of the label")
        return self


class ImageClassification(Task):
    """One of several classes for an image."""

    name = "image-classification"
    summary = "classify images, from a folder per class, Parquet, a saved folder or the hub"
    auto_class = "AutoModelForImageClassification"
    Config = ImageClassificationOptions
    config: ImageClassificationOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`. Images are decoded when they are asked for.

        Raises:
            UserError: a missing file, column or label; a label or a head that does not fit; no rows, or no images.
        """
        from theseus_plugin.checkpoint import load_config, load_image_processor
        from theseus_plugin.tasks.images import Images, stack
        from theseus_plugin.tasks.labels import choose_classes
        from theseus_plugin.tasks.metrics import scorer

        processor = load_image_processor(checkpoint)
        rows = {split: self._rows(split) for split in splits}
        labels, head = choose_classes(
            rows,
            self.config.label,
            self.config.labels,
            None if new_head else load_config(checkpoint),
            checkpoint,
            lambda: self._rows("train"),
        )
        return TaskData(
            splits={split: Images(rows[split], self.config.image, labels[split], processor) for split in splits},
            collate=stack,
            score=scorer(self.config.metrics),
            metric=self.config.metrics[0],
            head=head,
        )

    def _rows(self, split: str) -> Rows:
        from theseus_plugin.tasks.images import read_folder

        name = self.config.named(split, self.name)
        folder = Path(self.config.data or "", name).expanduser()
        if folder.is_dir() and not (folder / "state.json").is_file():
            return read_folder(str(folder), self.config.image, self.config.label)
        return self.config.rows(split, self.name)
