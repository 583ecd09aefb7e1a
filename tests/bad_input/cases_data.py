"""Bad files of examples."""

from __future__ import annotations

from tests.bad_input.driver import Case
from tests.bad_input.world import World


def _csv(content: str, **task: object):
    def prepare(w: World) -> list[str]:
        return ["compress", w.recipe(task={"train": w.write("train.csv", content), **task})]

    return prepare


CASES = [
    Case("asks for a column that is not there", _csv("words,label\na,1\nb,0\n"), ("train.csv", "text")),
    Case("gives an empty file", _csv(""), ("train.csv",)),
]
