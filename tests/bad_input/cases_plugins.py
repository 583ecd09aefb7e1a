"""Plugins of other distributions that are broken, or break while they work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bad_input.driver import Case
from tests.bad_input.world import World

Prepare = Callable[[World], Sequence[str]]

HEAD = """
import sys
from pydantic import BaseModel
class Base:
    summary = "for tests"
    class Config(BaseModel):
        size: int = 1
    def __init__(self, config): self.config = config
"""
METHOD = """
class Plugin(Base):
    name = "odd"
    def compress(self, predecessor, successor, task):
        {}
"""
FITTER = """
class Plugin(Base):
    name = "odd"
    def fit(self, model, predecessor, task):
        {}
"""
RECORD = """
GOOD = {"kind": "odd", "model": "a", "output": "b", "metric": "f1", "lower_is_better": [], "before": {"f1": 0.5},
    "after": {"f1": 0.5}, "parameters": {"before": 1, "after": 1}, "recipe": {}, "training": {"seconds": 1.0},
    "environment": {}}
"""
EVALUATOR = """
class Plugin(Base):
    name = "odd"
    def evaluate(self, models, task):
        {}
"""
SCHEDULE = """
class Plugin(Base):
    name = "odd"
    def rate_at(self, step, total):
        {}
"""
TASK = """
class Plugin(Base):
    name, auto_class = "odd", "AutoModelForSequenceClassification"
    def load(self, checkpoint, splits=("train", "validation"), new_head=False):
        {}
"""
WHO = "distribution 'odd-plugins'"


def install(
    code: str, group: str = "methods", entry: str = "odd = odd_plugins:Plugin", raw: bytes | None = None
) -> None:
    """A distribution with one plugin in the current folder, which becomes a place of distributions."""
    info = Path("odd_plugins-1.2.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugins\nVersion: 1.2\n")
    (info / "entry_points.txt").write_bytes(raw or f"[model_compression.{group}]\n{entry}\n".encode())
    Path("odd_plugins.py").write_text(code)
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True


def _only(section: str, code: str, group: str, command: str = "compress") -> Prepare:
    """A recipe that names the plugin `odd` in one section."""

    def prepare(w: World) -> list[str]:
        install(code, group)
        content = {"schedule": {"name": "odd"}} if section == "schedule" else {}
        w.recipe(method=content)
        if section != "schedule":
            w.edit("recipe.yaml", **{section: {"name": "odd"}})
        return [command, "recipe.yaml"]

    return prepare


def _fit(code: str, **options: int) -> Prepare:
    """A recipe that names the fitter `odd`."""

    def prepare(w: World) -> list[str]:
        install(code, "fitters")
        w.recipe(predecessor="fitted")
        w.edit("recipe.yaml", fit={"name": "odd", **options})
        return ["fit", "recipe.yaml"]

    return prepare


def _bench(body: str) -> Prepare:
    def prepare(w: World) -> list[str]:
        install(HEAD + EVALUATOR.format(body), "evaluators")
        return ["bench", str(w.assets / "onnx"), "--evaluator", "odd"]

    return prepare


def _elsewhere(raw: bytes, *arguments: str) -> Prepare:
    """A damaged distribution, and a command that fails for a reason of its own, which has nothing to do with it."""

    def prepare(w: World) -> list[str]:
        install("", raw=raw)
        return list(arguments) or ["compress", w.recipe(method={"successor_blocks": 0})]

    return prepare


LOADED = {
    "ends the program when it is imported": ("import sys; sys.exit(0)", ("cannot be loaded", "SystemExit")),
    "ends the program with a text when it is imported": ("raise SystemExit('bye')", ("cannot be loaded", "bye")),
    "raises an error of several lines when it is imported": ("raise OSError('a\\nb')", ("cannot be loaded", "a b")),
    "raises no Exception when it is imported": (
        "class E(BaseException): pass\nraise E('x')",
        ("cannot be loaded", "E: x"),
    ),
    "raises our error when it is imported": (
        "from theseus_plugin import UserError\nraise UserError('x')",
        ("cannot be loaded", "x"),
    ),
    "is no Python": ("def (:", ("cannot be loaded", "SyntaxError")),
    "imports what is not there": ("import no_such_module", ("cannot be loaded", "no_such_module")),
    "recurses when it is imported": ("def f(): f()\nf()", ("cannot be loaded", "RecursionError")),
    "lacks its class": ("x = 1", ("cannot be loaded", "AttributeError")),
    "prints when it is imported and lacks all": ("class Plugin: pass", ("breaks the contract", "it lacks name")),
    "has a Config that is a dictionary": (
        HEAD + METHOD.format("return {}") + "    Config = {}\n",
        ("breaks the contract", "Config is no pydantic model"),
    ),
    "has a Config that is an instance": (
        HEAD + METHOD.format("return {}") + "    Config = Base.Config()\n",
        ("Config is no pydantic model",),
    ),
    "has a Config that is a plain class": (
        HEAD + METHOD.format("return {}") + "    class Config: pass\n",
        ("Config is no pydantic model",),
    ),
    "has a summary that is a list": (
        HEAD + METHOD.format("return {}") + "    summary = []\n",
        ("its summary is no line",),
    ),
    "has a summary of two lines": (
        HEAD + METHOD.format("return {}") + "    summary = 'a\\nb'\n",
        ("its summary is no line",),
    ),
    "has an empty summary": (HEAD + METHOD.format("return {}") + "    summary = ' '\n", ("its summary is no line",)),
    "has a verb that is a number": (
        HEAD + METHOD.format("return {}") + "    compress = 3\n",
        ("compress cannot be called",),
    ),
    "has another name": (HEAD + METHOD.format("return {}") + "    name = 'a\\nb'\n", ("it calls itself 'a b'",)),
    "has a name that is a number": (HEAD + METHOD.format("return {}") + "    name = 5\n", ("it calls itself '5'",)),
    "is a function": (
        "def Plugin(): pass\nPlugin.name = 'odd'; Plugin.summary = 'x'; Plugin.Config = dict; Plugin.compress = 1",
        ("it is no class",),
    ),
    "raises when it is asked for its name": (
        "class M(type):\n    @property\n    def name(cls): raise OSError('no name')\nclass Plugin(metaclass=M): pass",
        ("cannot be loaded", "no name"),
    ),
    "raises when it is made": (
        HEAD + METHOD.format("return {}") + "    def __init__(self, config): raise KeyError('x')\n",
        ("cannot be made", "KeyError"),
    ),
    "ends the program when it is made": (
        HEAD + METHOD.format("return {}") + "    def __init__(self, config): sys.exit(0)\n",
        ("cannot be made", "SystemExit"),
    ),
    "takes no options when it is made": (
        HEAD + METHOD.format("return {}") + "    def __init__(self): pass\n",
        ("cannot be made", "TypeError"),
    ),
    "raises when it reads its options": (
        HEAD
        + METHOD.format("return {}")
        + "    class Config(BaseModel):\n        def model_post_init(self, context): raise KeyError('x')\n",
        ("cannot read its options", "KeyError"),
    ),
    "ends the program when it reads its options": (
        HEAD
        + METHOD.format("return {}")
        + "    class Config(BaseModel):\n        def model_post_init(self, context): sys.exit(0)\n",
        ("cannot read its options", "SystemExit"),
    ),
    "has an option that is infinite": (
        HEAD + METHOD.format("return {}") + "    class Config(BaseModel):\n        x: float = float('inf')\n",
        ("cannot tell its options as JSON", "inf"),
    ),
    "ends the program when it compresses": (
        HEAD + METHOD.format("sys.exit(0)"),
        ("ended the program", "SystemExit: 0"),
    ),
    "ends the program with a status when it compresses": (HEAD + METHOD.format("sys.exit(3)"), ("ended the program",)),
    "raises no Exception when it compresses": (HEAD + METHOD.format("raise GeneratorExit"), ("ended the program",)),
    "gives None as its record": (HEAD + METHOD.format("return None"), ("its record is None, no mapping",)),
    "gives a list as its record": (
        HEAD + METHOD.format("return []"),
        ("its record is a value of type list, no mapping",),
    ),
    "gives an empty record": (HEAD + METHOD.format("return {}"), ("its record lacks after, before",)),
    "gives a score that is no number": (
        HEAD + RECORD + METHOD.format("return GOOD | {'after': {'f1': float('nan')}}"),
        ("after f1 of its record is nan",),
    ),
    "gives a score that is a text": (
        HEAD + RECORD + METHOD.format("return GOOD | {'after': {'f1': '0.5'}}"),
        ("after f1 of its record is a value of type str",),
    ),
    "gives no score of its metric": (
        HEAD + RECORD + METHOD.format("return GOOD | {'after': {'accuracy': 0.5}}"),
        ("no figure of its metric 'f1'",),
    ),
    "gives scores as a list": (
        HEAD + RECORD + METHOD.format("return GOOD | {'after': [0.5]}"),
        ("after of its record is a value of type list",),
    ),
    "gives seconds as a text": (
        HEAD + RECORD + METHOD.format("return GOOD | {'training': {'seconds': '5'}}"),
        ("training seconds of its record is a value of type str",),
    ),
    "gives a record that JSON cannot hold": (
        HEAD + RECORD + METHOD.format("return GOOD | {'environment': {'x': {1}}}"),
        ("its record is not JSON",),
    ),
    "gives a good record and writes nothing": (
        HEAD + RECORD + METHOD.format("return GOOD"),
        ("there is no folder", "successor"),
    ),
    "tells a mistake of status 0": (
        HEAD + "class Sorry(Exception):\n    mendable, status = True, 0\n" + METHOD.format("raise Sorry('too good')"),
        ("error: too good",),
    ),
    "tells a mistake whose status is a text": (
        HEAD + "class Sorry(Exception):\n    mendable, status = True, 'x'\n" + METHOD.format("raise Sorry('too bad')"),
        ("error: too bad",),
    ),
    "tells a mistake of status 300": (
        HEAD + "class Sorry(Exception):\n    mendable, status = True, 300\n" + METHOD.format("raise Sorry('too much')"),
        ("error: too much",),
    ),
    "tells a mistake whose status is true": (
        HEAD + "class Sorry(Exception):\n    mendable, status = True, True\n" + METHOD.format("raise Sorry('true')"),
        ("error: true",),
    ),
    "tells a mistake in several lines": (
        HEAD + "class Sorry(Exception):\n    mendable = True\n" + METHOD.format("raise Sorry('one\\ntwo')"),
        ("error: one two",),
    ),
    "tells a mistake without a word": (
        HEAD + "class Sorry(Exception):\n    mendable = True\n" + METHOD.format("raise Sorry()"),
        ("Sorry", WHO),
    ),
    "tells a mistake that is no Exception": (
        HEAD + "class Sorry(BaseException):\n    mendable = True\n" + METHOD.format("raise Sorry('base')"),
        ("error: base",),
    ),
}

RATES = {
    "a text": ("return '0.5'", "'0.5'"),
    "nothing": ("return None", "None"),
    "no number": ("return float('nan')", "nan"),
    "zero": ("return 0", "0"),
    "more than 1": ("return 1.5", "1.5"),
    "true": ("return True", "True"),
    "a list": ("return [0.5]", "[0.5]"),
}

MEASURED = {
    "None": ("return None", "it gives None, no list of records"),
    "a mapping": ("return {}", "it gives a value of type dict, no list of records"),
    "no record": ("return []", "it gives 0 records of 1 models"),
    "one too many": ("return [{}, {}]", "it gives 2 records of 1 models"),
    "a list in a list": ("return [[]]", "one of its records is a value of type list"),
    "NaN": ("return [{'x': float('nan')}]", "not JSON"),
    "an object": ("return [{'x': object()}]", "not JSON"),
    "a record that stands in itself": ("r = {}; r['r'] = r; return [r]", "not JSON"),
}

DAMAGED = {
    "a line without a value": b"[model_compression.methods]\nodd\n",
    "bytes that are no text": b"[model_compression.methods]\nodd = \xff\xfe\n",
    "a line without a value under another name": b"[console_scripts]\nodd\n",
    "bytes that are no text in another group": b"[console_scripts]\nodd = \xff\n",
}

CASES = [
    *(
        Case(
            f"compresses with a method that {did}",
            _only("method", code, "methods"),
            says if did.startswith("tells") else (*says, WHO),
        )
        for did, (code, says) in LOADED.items()
    ),
    *(
        Case(
            f"compresses with a schedule whose rate is {what}",
            _only("schedule", HEAD + SCHEDULE.format(body), "schedules"),
            (f"schedule 'odd' of {WHO} gives the rate {said}",),
            begun=True,
        )
        for what, (body, said) in RATES.items()
    ),
    Case(
        "compresses with a schedule that ends the program",
        _only("schedule", HEAD + SCHEDULE.format("sys.exit(0)"), "schedules"),
        (f"schedule 'odd' of {WHO} ended the program",),
        begun=True,
    ),
    Case(
        "compresses with a schedule that ends the program when it is imported",
        _only("schedule", "import sys; sys.exit(0)", "schedules"),
        (f"schedule 'odd' of {WHO} cannot be loaded",),
    ),
    Case(
        "fits with a fitter that gives no record",
        _fit(HEAD + FITTER.format("return None")),
        (f"fitter 'odd' of {WHO} breaks the contract, its record is None, no mapping",),
    ),
    Case(
        "fits with a fitter that writes nothing",
        _fit(HEAD + RECORD + FITTER.format("return GOOD")),
        (f"fitter 'odd' of {WHO} breaks the contract, there is no folder fitted",),
    ),
    Case(
        "fits with a fitter that ends the program",
        _fit(HEAD + FITTER.format("sys.exit(0)")),
        (f"fitter 'odd' of {WHO} ended the program",),
    ),
    Case("fits with a fitter that has no verb", _fit(HEAD + "class Plugin(Base): name = 'odd'"), (WHO, "it lacks fit")),
    Case(
        "fits with a fitter and an option that it does not have",
        _fit(
            HEAD.replace("size: int = 1", "size: int = 1\n        model_config = {'extra': 'forbid'}")
            + FITTER.format("return {}"),
            sise=1,
        ),
        ("unknown key 'fit.sise': did you mean 'size'?",),
    ),
    Case(
        "fits with a task that ends the program",
        _only("task", HEAD + TASK.format("sys.exit(0)"), "tasks"),
        (f"task 'odd' of {WHO} ended the program",),
    ),
    Case(
        "fits with a task that tells a mistake in several lines",
        _only(
            "task",
            HEAD + "class Sorry(Exception):\n    mendable, status = True, 0\n" + TASK.format("raise Sorry('a\\nb')"),
            "tasks",
        ),
        ("error: a b",),
    ),
    *(
        Case(f"benches with an evaluator that gives {what}", _bench(body), (f"evaluator 'odd' of {WHO}", said))
        for what, (body, said) in MEASURED.items()
    ),
    Case("benches with an evaluator that ends the program", _bench("sys.exit(0)"), (WHO, "ended the program")),
    Case(
        "benches with an evaluator that gives no schema",
        lambda w: (
            install(
                HEAD + EVALUATOR.format("return []") + "    class Config(BaseModel):\n        x: type(sys)\n"
                "        model_config = {'arbitrary_types_allowed': True}\n",
                "evaluators",
            ),
            ["bench", str(w.assets / "onnx"), "--evaluator", "odd"],
        )[1],
        (f"evaluator 'odd' of {WHO} gives no schema of its options",),
    ),
    *(
        Case(f"makes a mistake beside a distribution with {what}", _elsewhere(raw), ("method.successor_blocks",))
        for what, raw in DAMAGED.items()
    ),
    Case(
        "names a method of a distribution that cannot be read",
        lambda w: (install("", raw=DAMAGED["a line without a value"]), ["compress", w.recipe(method={"name": "odd"})])[
            1
        ],
        ("no method named 'odd' is installed", "entry_points.txt of distribution 'odd-plugins' cannot be read"),
    ),
    Case(
        "names a method whose entry point is not written so",
        lambda w: (install("", entry="odd = !!!"), ["compress", w.recipe(method={"name": "odd"})])[1],
        (WHO, "'!!!' is not written as module:Class"),
    ),
    Case(
        "names a method whose entry point names nothing",
        lambda w: (install("", entry="odd ="), ["compress", w.recipe(method={"name": "odd"})])[1],
        (WHO, "is not written as module:Class"),
    ),
    Case(
        "tunes with a method that gives no schema",
        _only(
            "method",
            HEAD + METHOD.format("return {}") + "    class Config(BaseModel):\n        x: object = 1\n"
            "        @classmethod\n        def model_json_schema(cls): raise OSError('none')\n",
            "methods",
            "tune",
        ),
        (f"method 'odd' of {WHO} gives no schema of its options",),
    ),
]
