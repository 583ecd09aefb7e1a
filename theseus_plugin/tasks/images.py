"""Images as a model takes them, made when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from theseus_plugin.contract import Features
from theseus_plugin.errors import UserError, reason
from theseus_plugin.tasks.lazy import Lazy
from theseus_plugin.tasks.reading import Rows

_WHITE = 65535
"""Of 16 bits."""
_FILES_READ = 1000
"""Files whose content tells a set of images from another, about."""


class Images(Lazy):
    """`pixel_values` and `labels` of the images of a column; one is decoded when it is asked for, and not kept.

    Args:
        rows: the rows; the column may hold what `datasets` takes for images: files' bytes, or paths.
        column: that of the images.
        labels: class ids, one a row.
        processor: the checkpoint's image processor.

    Raises:
        UserError: the column is missing or holds no images; later, an image that cannot be decoded.
    """

    def __init__(self, rows: Rows, column: str, labels: Sequence[int], processor: Any) -> None:
        try:
            self._images = rows.dataset(column).cast_column(column, datasets.Image())
        except Exception as error:  # Arrow's own types
            raise UserError(
                f"{rows.place}: column {column!r} holds no images ({reason(error)}): name another column"
            ) from error
        self._place, self._column, self._labels, self._processor = rows.place, column, labels, processor

    def __len__(self) -> int:
        return len(self._labels)

    def fingerprint(self) -> str:
        """Of labels and images; nothing is decoded. Of files it takes all names and sizes, and the content of some."""
        digest = hashlib.sha256(str(list(self._labels)).encode())
        stored = self._images.cast_column(self._column, datasets.Image(decode=False))
        for at, row in enumerate(stored):
            image = row[self._column] or {}
            digest.update(image.get("bytes") or b"-")
            file = Path(image.get("path") or "")
            digest.update(file.name.encode())
            if not image.get("bytes") and file.is_file():
                digest.update(str(file.stat().st_size).encode())
                if at % (1 + len(stored) // _FILES_READ) == 0:
                    digest.update(file.read_bytes())
        return digest.hexdigest()

    def make(self, at: int) -> Features:
        """The image of number `at`, decoded and processed."""
        try:
            image = self._images[at][self._column]
            rgb = None if image is None else as_rgb(image)
        except Exception as error:  # PIL raises many types, and there may be no such file
            raise UserError(
                f"{self._place}, row {at + 1}: the image cannot be read ({reason(error)}): fix or drop the row"
            ) from error
        if rgb is None:
            raise UserError(f"{self._place}, row {at + 1}: no image in column {self._column!r}: fix or drop the row")
        [pixels] = self._processor([rgb], return_tensors="np")["pixel_values"]
        return {"pixel_values": pixels, "labels": self._labels[at]}


def as_rgb(image: Image.Image) -> Image.Image:
    """An image in three channels of 8 bits. Grey levels of 16 bits are scaled to them; transparency is dropped.

    Raises:
        ValueError: pixels are numbers of which nobody knows what is white.
    """
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > _WHITE:
            raise ValueError(f"its pixels are not from 0 to {_WHITE:,}, save it with 8 or 16 bits")
        return Image.fromarray(np.rint(levels * (255 / _WHITE)).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        levels = np.asarray(image)
        # from 0 to 1 they would all be black
        if not (levels.min() >= 0 and levels.max() <= 255) or 0 < levels.max() <= 1:
            raise ValueError("its pixels are fractions, save it with 8 or 16 bits")
    if image.mode == "P":
        image = image.convert("RGBA")  # which PIL wants, where a palette has transparency
    return image.convert("RGB")


def stack(examples: Sequence[Features]) -> dict[str, np.ndarray]:
    """`pixel_values` in fp32 of shape (batch, channels, height, width), `labels` of shape (batch,)."""
    return {
        "pixel_values": np.stack([example["pixel_values"] for example in examples]).astype(np.float32),
        "labels": np.array([example["labels"] for example in examples], dtype=np.int64),
    }


def read_folder(folder: str, image: str, label: str) -> Rows:
    """The images of a folder with a folder per class, `CLASS/NAME.png`, in columns of the names `image` and `label`;
    hidden files and folders are passed over.

    Raises:
        UserError: no image there, or one that lies directly in the folder or deeper than in that of a class.
    """
    kinds, root = Image.registered_extensions(), Path(folder).expanduser()

    def images(pattern: str) -> list[Path]:
        return sorted(
            file
            for file in root.glob(pattern)
            # hidden ones, as .ipynb_checkpoints and ._1.png, were put there by programs
            if file.suffix.lower() in kinds
            and not any(part.startswith(".") for part in file.relative_to(root).parts)
            and file.is_file()
        )

    files = images("*/*")
    if files and (misplaced := images("*") + images("*/*/**/*")):
        raise UserError(
            f"{misplaced[0]}: not in the folder of a class, as {folder}/CLASS/NAME.png: move it there, or remove it"
            + (f" (and {len(misplaced) - 1:,} more)" if len(misplaced) > 1 else "")
        )
    if not files:
        raise UserError(f"{folder}: no images there: put them into a folder per class, as {folder}/CLASS/NAME.png")
    names = sorted({file.parent.name for file in files})
    columns = {image: [str(file) for file in files], label: [names.index(file.parent.name) for file in files]}
    features = datasets.Features({image: datasets.Value("string"), label: datasets.ClassLabel(names=names)})
    return Rows(folder, datasets.Dataset.from_dict(columns, features=features))
