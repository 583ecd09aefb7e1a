"""Tasks of other distributions whose data are not what the contract says, and verbs that cannot be called."""

from __future__ import annotations

from tests.bad_input.cases_plugins import HEAD, METHOD, RECORD, TASK, WHO, Prepare, _only
from tests.bad_input.driver import Case
from tests.bad_input.world import World

DATA = """
import numpy as np
from theseus_plugin.contract import TaskData
def collate(rows):
    return {name: np.array([row[name] for row in rows]) for name in ("input_ids", "labels")}
def score(logits, labels):
    return {"accuracy": float((logits.argmax(-1) == labels).mean())}
ROWS = [{"input_ids": [2, 5 + i % 7, 3], "labels": i % 2} for i in range(16)]
def good(**changed):
    both = {"train": ROWS, "validation": ROWS}
    return TaskData(**{"splits": both, "collate": collate, "score": score, "metric": "accuracy",
        "head": {"num_labels": 2}, **changed})
"""


def _task(body: str, command: str = "fit") -> Prepare:
    def prepare(w: World) -> list[str]:
        _only("task", HEAD + DATA + TASK.format(body), "tasks")(w)
        if command == "export":
            return ["export", str(w.assets / "predecessor"), "out", "--task", "recipe.yaml"]
        if command == "bench":
            return ["bench", str(w.assets / "predecessor"), "--evaluator", "accuracy", "--task", "recipe.yaml"]
        w.edit("recipe.yaml", predecessor="fitted" if command == "fit" else str(w.assets / "predecessor"))
        return [command, "recipe.yaml"]

    return prepare


GIVEN = {
    "None": ("return None", "its data are None, no TaskData"),
    "a mapping": ("return {'splits': {}}", "its data are a value of type dict"),
    "no splits": ("return good(splits=None)", "splits of its data is None"),
    "no validation split": ("return good(splits={'train': ROWS})", "no split 'validation'"),
    "an empty split": ("return good(splits={'train': ROWS, 'validation': []})", "its split 'validation' is empty"),
    "a generator as a split": (
        "return good(splits={'train': ROWS, 'validation': (row for row in ROWS)})",
        "its split 'validation' is a value of type generator",
    ),
    "examples that are None": ("return good(splits={'train': ROWS, 'validation': [None]})", "the first example"),
    "a head of no labels": ("return good(head={'num_labels': 0})", "num_labels of its head is 0"),
    "no head": ("return good(head=None)", "head of its data is None"),
    "no metric": ("return good(metric=None)", "metric of its data is None"),
    "a text as notes": ("return good(notes='x')", "notes of its data is a value of type str"),
    "too few texts": ("return good(texts={'validation': [('a',)]})", "has 16 examples, and its texts"),
}
WORKING = {
    "collates into lists": (
        "good(collate=lambda rows: {'labels': [0]})",
        "its collate gives labels as",
    ),
    "collates into tensors": (
        "good(collate=lambda rows: {k: __import__('torch').tensor(v) for k, v in collate(rows).items()})",
        "its collate gives input_ids as a value of type Tensor",
    ),
    "collates into nothing": ("good(collate=lambda rows: None)", "its collate gives None"),
    "collates without labels": (
        "good(collate=lambda rows: {'input_ids': collate(rows)['input_ids']})",
        "its collate gives no labels",
    ),
    "collates one row only": ("good(collate=lambda rows: collate(rows[:1]))", "its collate gives 1 rows"),
    "collates ids that are fractions": (
        "good(collate=lambda rows: {k: v / 2 for k, v in collate(rows).items()})",
        "an array of float64, no array of integers",
    ),
    "has a label beyond its head": (
        "good(collate=lambda rows: collate(rows) | {'labels': np.full(len(rows), 7)})",
        "there is a label 7, and its head has 2 labels",
    ),
    "scores None": ("good(score=lambda *_: None)", "its score gives None"),
    "scores NaN": ("good(score=lambda *_: {'accuracy': float('nan')})", "its score gives accuracy as nan"),
    "scores a text": ("good(score=lambda *_: {'accuracy': '1'})", "its score gives accuracy as a value of type str"),
    "scores another metric": ("good(score=lambda *_: {'f1': 1.0})", "no mapping with 'accuracy'"),
}
VERBS = {
    "takes too few arguments": (
        "class Plugin(Base):\n    name = 'odd'\n    def compress(self, a): return a\n",
        "called",
    ),
    "is a generator": (METHOD.format("yield 1"), "is a generator or a coroutine"),
    "is a coroutine": (METHOD.format("return 1").replace("def ", "async def "), "is a generator or a coroutine"),
}
RECORDS = {
    "a count beyond floats": ("{'parameters': {'before': 10**400, 'after': 1}}", "parameters before"),
    "a count below 0": ("{'parameters': {'before': 1, 'after': -1}}", "parameters after of its record is -1"),
    "metrics that are numbers": ("{'lower_is_better': [1]}", "lower_is_better of its record"),
}
NAMED = "    class Config(BaseModel):\n        name: str = 'x'\n"
ROOT = "    from pydantic import RootModel\n    Config = RootModel[list]\n"


def _left_out(w: World) -> list[str]:
    import os

    os.environ["THESEUS_PLUGINS"] = "theseus"
    return ["compress", w.recipe()]


def _demo(w: World) -> list[str]:
    return ["demo", "--quick", "--folder", w.write("d/recipe.yaml", b"\xff").partition("/")[0]]


CASES = [
    *(Case(f"fits with a task that gives {what}", _task(body), (said, WHO)) for what, (body, said) in GIVEN.items()),
    *(
        Case(f"fits with a task that {did}", _task(f"return {body}"), (said, WHO), begun=True)
        for did, (body, said) in WORKING.items()
    ),
    *(
        Case(f"{command}s by a task that gives None", _task("return None", command), ("its data are None", WHO))
        for command in ("compress", "export")
    ),
    Case(
        "benches by a task that scores NaN",
        _task("return good(score=lambda *_: {'accuracy': float('nan')})", "bench"),
        ("its score gives accuracy as nan", WHO),
        begun=True,
    ),
    Case(
        "fits with a task whose auto class is not there",
        _only("task", HEAD + TASK.format("return 1").replace("AutoModelForSeq", "AutoModelForSec"), "tasks", "fit"),
        ("auto_class AutoModelForSecuenceClassification", WHO),
    ),
    Case(
        "fits with a task that recurses",
        _task("return self.load(checkpoint)"),
        ("nested too deeply", "defect of task 'odd'", WHO),
    ),
    *(
        Case(f"compresses with a method whose verb {did}", _only("method", HEAD + code, "methods"), (said, WHO))
        for did, (code, said) in VERBS.items()
    ),
    *(
        Case(
            f"compresses with a method whose record has {what}",
            _only("method", HEAD + RECORD + METHOD.format(f"return GOOD | {changed}"), "methods"),
            (said, WHO),
        )
        for what, (changed, said) in RECORDS.items()
    ),
    Case(
        "compresses with a method that has an option called name",
        _only("method", HEAD + METHOD.format("return {}") + NAMED, "methods"),
        ("an option called name", WHO),
    ),
    Case(
        "compresses with a method whose Config is a list",
        _only("method", HEAD + METHOD.format("return {}") + ROOT, "methods"),
        ("its Config has no keys", WHO),
    ),
    Case("leaves its task out of THESEUS_PLUGINS", _left_out, ("THESEUS_PLUGINS='theseus'", "add it there")),
    Case("tunes the current folder", lambda w: ["tune", "."], ("cannot read it", "path of a recipe")),
    Case("tunes nothing", lambda w: ["tune", ""], ("cannot read it", "path of a recipe")),
    Case("starts a demo beside a recipe that is no text", _demo, ("d holds a demo with other settings",)),
]
