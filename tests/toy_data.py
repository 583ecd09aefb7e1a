"""Toy examples: reviews, sentences, tagged words and images, and the `task` sections of recipes that read them."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.tiny import WORDS


def write_reviews(path: Path, count: int, seed: int) -> Path:
    """A CSV of short reviews, `text` and `label`, in which one word decides."""
    chooser = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for _ in range(count):
            label = chooser.randrange(2)
            filler = [chooser.choice(["the", "film", "a", "movie", "was"]) for _ in range(chooser.randrange(1, 12))]
            filler.insert(chooser.randrange(len(filler) + 1), "good" if label else "bad")
            writer.writerow([" ".join(filler), label])
    return path


def sentences(count: int = 37, longest: int = 40) -> list[str]:
    """Sentences of words of every length."""
    words = random.Random(0)
    return [" ".join(words.choices(WORDS, k=words.randint(1, longest))) for _ in range(count)]


def write_sentences(folder: Path, train: int, validation: int) -> dict[str, str]:
    """Sentences with their words, tags, a class and a number a line; gives the file of each split."""
    texts = sentences(train + validation)
    files = {}
    for split, part in (("train", texts[:train]), ("validation", texts[train:])):
        rows = []
        for at, text in enumerate(part):
            words = text.split()
            tags = ["B-FILM" if word in ("film", "movie") else "O" for word in words]
            label = "yes" if "film" in words else "no"
            rows.append(json.dumps({"text": text, "words": words, "tags": tags, "label": label, "score": at / 3}))
        files[split] = str(folder / f"{split}.jsonl")
        Path(files[split]).write_text("\n".join(rows) + "\n")
    return files


def write_images(folder: Path, each: int) -> str:
    """Dark and light images of noise, `each` of both in both splits; gives the folder."""
    for split in ("train", "validation"):
        for label in range(2):
            for number in range(each):
                place = folder / "images" / split / str(label) / f"{number}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                grey = np.random.default_rng(number).integers(0, 100, (16, 16)) + 150 * label
                Image.fromarray(grey.astype(np.uint8)).save(place)
    return str(folder / "images")


def task_section(name: str, folder: Path, train: int, validation: int) -> dict[str, Any]:
    """The `task` section of a recipe for one of our tasks but `relations`, on examples written to `folder`.

    `train` and `validation` count texts; of images there are half of `train` for each label, in both splits.
    """
    if name == "image-classification":
        return {"name": name, "data": write_images(folder, train // 2)}
    section: dict[str, Any] = {"name": name, **write_sentences(folder, train, validation)}
    if name != "token-classification":
        section |= {"text": "text", "max_length": 32}
    return section | ({"label": "score"} if name == "text-regression" else {})
