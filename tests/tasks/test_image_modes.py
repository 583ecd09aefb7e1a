"""Images of every mode against values worked out by hand."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import save_vit
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import validate
from theseus_plugin.tasks.images import Images
from theseus_plugin.tasks.vision import ImageClassification

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 65536, (16, 16))
SMALL = RANDOM.integers(0, 256, (16, 16, 4), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def palette(**options: object) -> tuple[bytes, np.ndarray]:
    """Sixteen colours; where they stand is `numbers`."""
    colours = RANDOM.integers(0, 256, (16, 3), dtype=np.uint8)
    numbers = RANDOM.integers(0, 16, (16, 16), dtype=np.uint8)
    image = Image.fromarray(numbers, "L")
    image.putpalette(colours.tobytes())
    return encoded(image, "PNG", **options), colours[numbers]


def in_grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, :, None], 3, axis=2)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter to the left: turn the image to the right
    return encoded(Image.fromarray(SMALL[:, :, :3]), "PNG", exif=exif)


def of_two_frames() -> bytes:
    frames = [Image.fromarray(np.full((16, 16, 3), level, dtype=np.uint8)) for level in (40, 200)]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])


CASES: dict[str, Callable[[], tuple[bytes, np.ndarray]]] = {
    "16 bits in PNG": lambda: (encoded(Image.fromarray(GREY.astype(np.uint16)), "PNG"), in_grey(GREY / 257)),
    "16 bits in TIFF": lambda: (encoded(Image.fromarray(GREY.astype(np.uint16)), "TIFF"), in_grey(GREY / 257)),
    "32 bits in TIFF": lambda: (encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF"), in_grey(GREY / 257)),
    "16 bits in PGM": lambda: (b"P5\n16 16\n65535\n" + GREY.astype(">u2").tobytes(), in_grey(GREY / 257)),
    "8 bits": lambda: (encoded(Image.fromarray(SMALL[:, :, 0]), "PNG"), in_grey(SMALL[:, :, 0])),
    "1 bit": lambda: (encoded(Image.fromarray(GREY > 30000), "PNG"), in_grey(255 * (GREY > 30000))),
    "a palette": palette,
    "a palette with a transparent colour": lambda: palette(transparency=3),
    "a palette with transparency": lambda: palette(transparency=bytes(range(16))),
    "transparency": lambda: (encoded(Image.fromarray(SMALL), "PNG"), SMALL[:, :, :3]),
    "grey and transparency": lambda: (encoded(Image.fromarray(SMALL[:, :, :2]), "PNG"), in_grey(SMALL[:, :, 0])),
    "ink": lambda: (
        encoded(Image.fromarray(SMALL, "CMYK"), "TIFF"),
        (255.0 - SMALL[:, :, :3]) * (255.0 - SMALL[:, :, 3:]) / 255,
    ),
    "fractions up to 255": lambda: (
        encoded(Image.fromarray(SMALL[:, :, 0].astype(np.float32)), "TIFF"),
        in_grey(SMALL[:, :, 0]),
    ),
    "a turned camera": lambda: (turned(), np.rot90(SMALL[:, :, :3], -1)),
    "two frames": lambda: (of_two_frames(), np.full((16, 16, 3), 40)),
}


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_vit(tmp_path_factory.mktemp("vit")))


def read(folder: Path, vit: str, images: dict[str, bytes]) -> Images:
    for name, content in images.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    task = ImageClassification(validate(ImageClassification.Config, {"train": str(folder)}, "task"))
    data = task.load(vit, ["train"], new_head=True)
    assert data.head["id2label"] == {0: "a", 1: "b"}
    split = data.splits["train"]
    assert isinstance(split, Images)
    return split


@pytest.mark.parametrize("case", CASES)
def test_pixels_of_every_mode(case: str, tmp_path: Path, vit: str) -> None:
    content, expected = CASES[case]()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        split = read(tmp_path, vit, {"a/1.img.png": content, "b/1.png": content})
        example = split[0]
    # this processor maps 0 to 255 on -1 to 1; PIL rounds ink twice
    levels = (example["pixel_values"].transpose(1, 2, 0) + 1) / 2 * 255
    np.testing.assert_allclose(levels, expected, atol=1.01 if case == "ink" else 0.501)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (np.array([[0, 70_000]], dtype=np.int32), "row 1: the image cannot be read .*not from 0 to 65,535"),
        (np.array([[-1, 70]], dtype=np.int32), "row 1: the image cannot be read .*save it with 8 or 16 bits"),
        (np.array([[0, 0.5]], dtype=np.float32), "row 1: the image cannot be read .*fractions"),
        (np.array([[0, np.nan]], dtype=np.float32), "row 1: the image cannot be read .*fractions"),
    ],
)
def test_pixels_of_which_nobody_knows_what_is_white(levels: np.ndarray, said: str, tmp_path: Path, vit: str) -> None:
    content = encoded(Image.fromarray(levels), "TIFF")
    with pytest.raises(UserError, match=said):
        read(tmp_path, vit, {"a/1.tiff": content, "b/1.tiff": content})[0]


def test_hidden_files_and_folders_are_no_images_and_no_classes(tmp_path: Path, vit: str) -> None:
    image = encoded(Image.fromarray(SMALL), "PNG")
    hidden = [".ipynb_checkpoints/1-checkpoint.png", ".git/1.png", "a/._1.png", "a/.2.png", "b/.DS_Store"]
    split = read(tmp_path, vit, dict.fromkeys(["a/1.png", "b/1.png", *hidden], image))
    assert [example["labels"] for example in split[:]] == [0, 1]


@pytest.mark.parametrize("place", ["contact-sheet.png", "a/more/3.png", "c/train/1/3.png"])
def test_an_image_outside_the_folders_of_classes_is_not_passed_over(place: str, tmp_path: Path, vit: str) -> None:
    image = encoded(Image.fromarray(SMALL), "PNG")
    with pytest.raises(UserError, match=f"{place}: not in the folder of a class"):
        read(tmp_path, vit, dict.fromkeys(["a/1.png", "b/1.png", place], image))
