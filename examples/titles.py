"""Film titles in reviews, as words with B-FILM, I-FILM and O tags.

    python examples/titles.py runs/titles      # writes train.jsonl and validation.jsonl

The labels are distant: nobody has tagged these reviews. A title is where the name of the film that is reviewed stands
in the review; twice as many reviews in which it does not stand count as free of titles, though some name other films.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from reviews import reviews

WITHOUT = 2  # reviews without a title for each one with it


def words(text: str) -> list[str]:
    """Words and signs."""
    return re.findall(r"\w+|[^\w\s]", text)


def tags(text: list[str], title: list[str]) -> list[str]:
    """A tag for every word of `text`."""
    found = ["O"] * len(text)
    lower = [word.lower() for word in text]
    for start in range(len(text) - len(title) + 1):
        if title and lower[start : start + len(title)] == title:
            found[start : start + len(title)] = ["B-FILM", *["I-FILM"] * (len(title) - 1)]
    return found


def main(folder: Path) -> None:
    """Write both splits."""
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, list[dict[str, list[str]]]] = {"train": [], "validation": []}
    free: dict[str, list[dict[str, list[str]]]] = {"train": [], "validation": []}
    for split, film, text in reviews():
        row = {"words": words(text), "tags": tags(words(text), words(film))}
        (kept if "B-FILM" in row["tags"] else free)[split].append(row)
    for split, rows in kept.items():
        step = len(free[split]) // (WITHOUT * len(rows))
        lines = [json.dumps(row) + "\n" for row in rows + free[split][::step][: WITHOUT * len(rows)]]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
