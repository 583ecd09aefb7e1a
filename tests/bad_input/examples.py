"""Makes commands on files of examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from tests.bad_input.world import World

Prepare = Callable[[World], Sequence[str]]
GOOD = "text,label\na,1\nb,0\n"


def file(file: str, content: str | bytes, /, **task: object) -> Prepare:
    """A fit on a training file."""

    def prepare(w: World) -> list[str]:
        return ["fit", w.recipe(predecessor="fitted", task={"train": w.write(file, content), **task})]

    return prepare


def csv(content: str | bytes, /, **task: object) -> Prepare:
    return file("train.csv", content, **task)


def jsonl(*rows: object, **task: object) -> Prepare:
    return file("train.jsonl", "".join(json.dumps(row) + "\n" for row in rows), **task)


def tagged(file: str, content: str | bytes, **task: object) -> Prepare:
    def prepare(w: World) -> list[str]:
        train = w.write(file, content)
        return ["fit", recipe(w, {"name": "token-classification", "train": train, "validation": train, **task})]

    return prepare


def recipe(w: World, task: dict[str, object], **sections: object) -> str:
    """A recipe of another task than the world's."""
    content = w.content(predecessor="fitted", **sections) | {"task": task}
    return w.write("recipe.yaml", json.dumps(content))
