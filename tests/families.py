"""A knowledge graph for tests, and a model to judge it with."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tests.tiny import save_tiny
from theseus_plugin.relations.graph import Triple

TRAINING = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-3, "precision": "fp32"}


def write(file: Path, triples: list[Triple]) -> str:
    file.write_text("".join("\t".join(triple) + "\n" for triple in triples))
    return str(file)


def families(folder: Path) -> Path:
    """A grandparent is a parent's parent, which only the paths tell; with a tiny model in `model`."""
    chooser = random.Random(0)
    facts: list[Triple] = []
    grand: list[Triple] = []
    for family in range(20):
        a, b, c, d = (f"{name}{family}" for name in ("a", "b", "c", "d"))
        facts += [(a, "parent", b), (b, "parent", c), (a, "likes", d), (chooser.choice([b, c]), "likes", d)]
        grand.append((a, "grand", c))
    write(folder / "train.txt", facts + grand[:12])
    write(folder / "valid.txt", grand[12:])
    (folder / "relations.txt").write_text("parent\tis the parent of\ngrand\tis the film of\n")
    save_tiny(folder / "model", layers=2, max_position_embeddings=160)
    AutoTokenizer.from_pretrained(folder / "model", model_max_length=160).save_pretrained(folder / "model")
    return folder


def section(home: Path, **more: Any) -> dict[str, Any]:
    files = {"train": home / "train.txt", "validation": home / "valid.txt", "relations": home / "relations.txt"}
    return {"name": "relations", **{name: str(file) for name, file in files.items()}, "max_length": 160, **more}
