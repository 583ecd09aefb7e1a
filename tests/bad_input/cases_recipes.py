"""Bad recipes, overrides, searches, and records beside models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bad_input.driver import Case
from tests.bad_input.world import World

Prepare = Callable[[World], Sequence[str]]


def _set(*given: str, command: str = "compress") -> Prepare:
    return lambda w: [command, w.recipe(), *(word for one in given for word in ("--set", one))]


def _search(*given: str, **options: str) -> Prepare:
    def prepare(w: World) -> list[str]:
        more = [word for name, value in options.items() for word in (f"--{name}", value)]
        return ["tune", w.recipe(), *(word for one in given for word in ("--search", one)), *more]

    return prepare


def _file(content: str | bytes, name: str = "recipe.yaml") -> Prepare:
    return lambda w: ["compress", w.write(name, content)]


def _beside(text: str) -> Prepare:
    """A good recipe, written as YAML in which `text` follows."""

    def prepare(w: World) -> list[str]:
        lines = [f"{key}: {json.dumps(value)}" for key, value in w.content().items()]
        return ["compress", w.write("recipe.yaml", "\n".join([*lines, text]))]

    return prepare


def _with(**sections: Any) -> Prepare:
    return lambda w: ["compress", w.recipe(**sections)]


def _fit(**options: Any) -> Prepare:
    return lambda w: ["fit", w.recipe(predecessor="fitted", fit=options)]


def _record(name: str, content: str | bytes, *arguments: str, asset: str = "predecessor") -> Prepare:
    """A model whose record is another."""

    def prepare(w: World) -> list[str]:
        model = w.copy(asset)
        for other in ("result.json", "export.json"):
            Path(model, other).unlink(missing_ok=True)
        w.write(f"{model}/{name}", content)
        return [word.replace("MODEL", str(model)) for word in arguments]

    return prepare


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)

SET = {
    "sets a value that starts with @": (["x=@y"], ("--set x=@y", "not valid YAML", "quotes")),
    "sets a value that starts with a backtick": (["x=`y`"], ("--set x=`y`", "not valid YAML", "quotes")),
    "sets a value that starts with a per cent sign": (["x=%y"], ("--set x=%y", "not valid YAML")),
    "sets a value that starts with a star": (["a=*b"], ("--set a=*b", "alias *b", "quotes")),
    "sets a list that does not end": (["x=[1"], ("--set x=[1", "not valid YAML")),
    "sets a mapping that does not end": (["x={a: 1"], ("--set x={a: 1", "not valid YAML")),
    "sets a text in quotes that do not end": (["model='x"], ("--set model='x", "not valid YAML")),
    "sets an object of Python": (["model=!!python/object:os.system x"], ("--set model=", "tag", "leave it out")),
    "sets a number of 5,000 digits": (["fit.seed=" + "1" * 5000], ("--set fit.seed=1", "5,000 digits")),
    "sets a list of 5,000 levels": (["model=" + "[" * 5000], ("--set model=", "nested deeper than 64 levels")),
    "sets two documents at once": (["model=a\n---\nb"], ("--set model=a", "several documents")),
    "sets a key twice in one mapping": (["fit={seed: 1, seed: 2}"], ("'seed' is there twice",)),
    "sets a mapping whose key is a number": (["method={1: 2}"], ("the key 1 is no text",)),
    "sets an impossible date as a number": (
        ["method.training.epochs=2024-02-30"],
        ("method.training.epochs", "number"),
    ),
    "sets a time as a number of steps": (["method.training.max_steps=1:30"], ("method.training.max_steps", "integer")),
    "sets nothing to a value": (["=1"], ("--set =1: write it as key=value",)),
    "sets a key with an empty part": (["a..b=1"], ("--set a..b=1: write it as key=value",)),
    "sets a key that is a dot": ([".=1"], ("--set .=1: write it as key=value",)),
    "sets a key that ends in a dot": (["method.=1"], ("--set method.=1: write it as key=value",)),
    "sets a key without a value": (["method.training.epochs"], ("--set method.training.epochs: write it as",)),
    "sets a key inside of a value": (["predecessor.x=1"], ("--set predecessor.x=1", "a value, not a section")),
    "sets the name of a task to a number": (["task.name=1"], ("task.name: 1 is no name: choose one of",)),
    "sets the name of a method to a number": (["method.name=5"], ("method.name: 5 is no name: choose one of",)),
    "sets the name of a method to a list": (["method.name=[theseus]"], ("method.name", "is no name")),
    "sets the name of a method to nothing": (["method.name="], ("method.name", "is no name")),
    "sets the name of a schedule to true": (
        ["method.schedule.name=true"],
        ("method.schedule.name", "True is no name"),
    ),
    "sets an unknown key with a dash": (
        ["method.training.learning-rate=1"],
        ("'method.training.learning-rate'", "learning_rate"),
    ),
    "sets an unknown key with a blank": (["method. training=1"], ("unknown key 'method. training'", "'training'")),
    "sets an unknown key of control characters": (["\x1b[31m=1"], ("unknown key",)),
    "sets a whole section to a number": (["method.training=3"], ("method.training: input should be a section",)),
    "sets a seed beyond 32 bits": (["method.training.seed=4294967296"], ("method.training.seed", "less than or equal")),
    "sets a batch of 1e30 examples": (["method.training.batch_size=1e30"], ("method.training.batch_size",)),
    "sets a hundred million steps": (["method.training.max_steps=100000000"], ("max_steps", "10000000")),
    "sets infinitely many epochs": (["method.training.epochs=.inf"], (".inf is no finite number",)),
    "sets an infinite norm of gradients": (["method.training.max_grad_norm=.inf"], (".inf is no finite number",)),
    "sets a learning rate that is no number": (["method.training.learning_rate=.nan"], (".nan is no finite number",)),
    "sets a learning rate beyond what floats hold": (["method.training.learning_rate=1e400"], ("too large a number",)),
    "sets true as a number of epochs": (
        ["method.training.epochs=true"],
        ("method.training.epochs", "not true or false"),
    ),
    "sets true as a number of blocks": (["method.successor_blocks=true"], ("successor_blocks", "not true or false")),
    "sets a number with a leading zero": (["method.training.seed=010"], ("training.seed", "does not start with 0")),
    "sets a variable without a name": (["successor=${}"], ("successor:", "'${}'", "write ${NAME}")),
    "sets a variable that does not end": (["successor=${HOME"], ("successor:", "'${HOME'", "write ${NAME}")),
    "sets a variable with a default in a default": (["successor=${NO:-${HOME}}"], ("successor:", "write ${NAME}")),
    "sets a variable with another operator": (["successor=${NO:=x}"], ("successor:", "write ${NAME}")),
    "sets a variable that is not there": (["successor=${NOT_SET_HERE}"], ("successor:", "NOT_SET_HERE is not set")),
    "sets a package without a name": (["predecessor='package:'"], ("predecessor:", "names no package")),
    "sets a package that is a folder above": (["predecessor=package:../x"], ("predecessor:", "names no package")),
    "sets a path that leads out of a package": (["predecessor=package:yaml/../x"], ("predecessor:", "leads out of")),
    "sets an absolute path in a package": (["predecessor=package:yaml//etc"], ("predecessor:", "leads out of")),
    "sets a package inside of one that is not there": (
        ["predecessor=package:no_a.b/x"],
        ("'no_a.b' is not installed",),
    ),
    "sets a package whose name is no name": (["predecessor=package:a b/x"], ("predecessor:", "names no package")),
    "sets a package that is a module": (["predecessor=package:os/x"], ("predecessor:", "is not installed")),
}

TEXTS = {
    "writes a recipe with a tab before a key": ("task:\n\tname: x\n", ("recipe.yaml", "line 2", "not valid YAML")),
    "writes a number that is none": ("a: !!int abc\n", ("recipe.yaml", "'abc' is no !!int")),
    "writes an object of Python in a recipe": ("a: !!python/object/apply:os.system [ls]\n", ("recipe.yaml", "tag")),
    "writes a set in a recipe": ("a: !!set {b, c}\n", ("recipe.yaml", "tag")),
    "writes bytes in a recipe": ("a: !!binary aGk=\n", ("recipe.yaml", "tag")),
    "writes an integer of 5,000 digits": ("a: " + "7" * 5000, ("recipe.yaml", "5,000 digits")),
    "writes a list that stands in itself": ("a: &a [*a]\n", ("recipe.yaml", "alias *a")),
    "writes a mapping that stands in itself": ("a: &a {b: *a}\n", ("recipe.yaml", "alias *a")),
    "writes a mapping that merges itself": ("a: &a {<<: *a}\n", ("recipe.yaml", "alias *a")),
    "writes lists of 5,000 levels": ("a: " + "[" * 5000 + "]" * 5000, ("recipe.yaml", "deeper than 64 levels")),
    "writes mappings of 70 levels": (
        "".join(f"{'  ' * i}a:\n" for i in range(70)),
        ("recipe.yaml", "deeper than 64 levels"),
    ),
    "writes ten thousand million laughs": (LAUGHS, ("recipe.yaml", "more than 100,000 values")),
    "writes 200,000 values": ("a: [" + "1," * 200_000 + "1]", ("recipe.yaml", "more than 100,000 values")),
    "writes a recipe of two mebibytes": ("# " + "x" * 2**21, ("recipe.yaml", "more than 1 MiB")),
    "writes a key twice": ("model: a\nmodel: b\n", ("recipe.yaml: line 2", "'model' is there twice")),
    "writes an option twice": ("fit:\n  seed: 1\n  epochs: 2\n  seed: 2\n", ("recipe.yaml: line 4", "'seed'", "twice")),
    "writes a number as a key": ("1: a\n", ("recipe.yaml", "the key 1 is no text")),
    "writes a list as a key": ("[a, b]: 1\n", ("recipe.yaml", "the key ['a', 'b'] is no text")),
    "writes nothing as a key": ("~: 1\n", ("recipe.yaml", "the key None is no text")),
    "writes a merge of a number": ("a: {<<: 3}\n", ("recipe.yaml", "<< takes a mapping")),
    "writes two documents": ("model: a\n---\nmodel: b\n", ("recipe.yaml", "several documents")),
    "writes a list as a recipe": ("- a\n- b\n", ("recipe.yaml", "a recipe is a mapping")),
    "writes a text as a recipe": ("model\n", ("recipe.yaml", "a recipe is a mapping")),
    "writes nothing into a recipe": ("", ("recipe.yaml", "a recipe is a mapping")),
    "writes NUL into a recipe": ("model: a\0b\n", ("recipe.yaml", "not valid YAML")),
    "writes an escaped NUL into a recipe": (
        'model: "a\\0b"\n',
        ("recipe.yaml", "model", "null character"),
    ),
    "writes a recipe in Latin-1": ("model: é\n".encode("latin-1"), ("recipe.yaml", "not UTF-8")),
    "writes a recipe in UTF-16": ("model: a\n".encode("utf-16"), ("recipe.yaml", "not UTF-8")),
    "writes infinity into a recipe": ("fit: {epochs: .inf}\n", ("recipe.yaml", ".inf is no finite number")),
    "writes an unknown key that is a flag": ("learning-rate: 1\n", ("recipe.yaml", "unknown key 'learning-rate'")),
    "writes an unknown key with a dot": ("task.name: x\n", ("recipe.yaml", "unknown key 'task.name'")),
    "writes an empty key": ('"": 1\n', ("recipe.yaml", "unknown key ''")),
}

JSON = {
    "writes a key twice in JSON": ('{"model": "a", "model": "b"}', ("recipe.json", "'model' is there twice")),
    "writes NaN in JSON": ('{"fit": {"epochs": NaN}}', ("recipe.json", "NaN is no finite number")),
    "writes 100,000 levels in JSON": ("[" * 100_000, ("recipe.json", "deeper than 64 levels")),
    "writes 5,000 digits in JSON": ('{"fit": {"seed": ' + "1" * 5000 + "}}", ("recipe.json", "5,000 digits")),
    "writes JSON that does not end": ('{"model": ', ("recipe.json", "not valid JSON")),
    "writes half a character in JSON": (
        '{"model": "\\ud800"}',
        ("recipe.json", "model", "half a character"),
    ),
    "writes a number beyond floats in JSON": ('{"fit": {"epochs": 1e999}}', ("recipe.json", "fit.epochs")),
}

VALUES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "names the method without a section": ({"method": "theseus"}, ("method: write a section, {name: theseus}",)),
    "names the task without a section": ({"task": "text-classification"}, ("task: write a section",)),
    "gives a list as the method": ({"method": ["theseus"]}, ("method: input should be a section",)),
    "gives no method": ({"method": None}, ("method.name is missing: choose one of",)),
    "gives a method without its name": ({"method": {"name": None}}, ("method.name", "is no name")),
    "names the schedule without a section": (
        {"method": {"schedule": "linear"}},
        ("method.schedule: write a section, {name: linear}",),
    ),
    "gives a list as the schedule": ({"method": {"schedule": [1]}}, ("method.schedule: write a section",)),
    "gives no schedule": ({"method": {"schedule": None}}, ("method.schedule: write a section",)),
    "gives a schedule without a name": ({"method": {"schedule": {}}}, ("method.schedule.name is missing",)),
    "misspells an option of a schedule": (
        {"method": {"schedule": {"name": "linear", "slop": 1}}},
        ("'method.schedule.slop'", "'slope'"),
    ),
    "gives a rate of 2 to a schedule": (
        {"method": {"schedule": {"name": "constant", "rate": 2}}},
        ("method.schedule.rate", "less than or equal to 1"),
    ),
    "gives a list as training": ({"method": {"training": []}}, ("method.training: input should be a section",)),
    "gives training nothing": ({"method": {"training": None}}, ("method.training: input should be a section",)),
    "gives blocks as a text": ({"method": {"successor_blocks": "three"}}, ("method.successor_blocks",)),
    "gives no blocks of a stack": ({"method": {"successor_blocks": {"encoder": 0}}}, ("successor_blocks.encoder",)),
    "gives half a block": ({"method": {"successor_blocks": 2.5}}, ("method.successor_blocks", "integer")),
    "gives a partition with a text": ({"method": {"partition": [2, "x", 2]}}, ("method.partition.1",)),
    "gives a label twice": ({"task": {"labels": ["a", "a"]}}, ("task.labels", "'a' is there twice")),
    "gives a metric twice": ({"task": {"metrics": ["f1", "f1"]}}, ("task.metrics", "'f1' is there twice")),
    "gives numbers as labels": ({"task": {"labels": [0, 1]}}, ("task.labels.0", "string")),
    "gives a number as a file": ({"task": {"train": 3}}, ("task.train", "string")),
    "gives a list of files": ({"task": {"train": ["a.csv"]}}, ("task.train", "string")),
    "gives a length that is infinite as a text": ({"task": {"max_length": "inf"}}, ("task.max_length", "integer")),
    "gives a length of 10 to the 30": ({"task": {"max_length": 10**30}}, ("task.max_length", "smaller number")),
    "gives epochs that are no number as a text": (
        {"method": {"training": {"epochs": "nan"}}},
        ("training.epochs", "finite"),
    ),
    "gives endless epochs as a text": ({"method": {"training": {"epochs": "inf"}}}, ("training.epochs", "finite")),
    "gives a temperature of 1e999 as a text": ({"method": {"temperature": "1e999"}}, ("method.temperature", "finite")),
    "gives a million million epochs": ({"method": {"training": {"epochs": 1e12}}}, ("training.epochs", "1000000")),
    "gives a number as a predecessor": ({"predecessor": 5}, ("predecessor", "string")),
    "gives a switch a number of two": ({"method": {"module_costs": 2}}, ("method.module_costs", "boolean")),
}

SEARCH = {
    "searches a list that does not end": (
        ["training.learning_rate=[1"],
        ("--search training.learning_rate=[1", "YAML"),
    ),
    "searches a value that starts with @": (["training.learning_rate=@y"], ("--search training.learning_rate=@y",)),
    "searches an alias": (["training.learning_rate=[*b]"], ("--search training.learning_rate=[*b]", "alias")),
    "searches a number instead of a list": (["training.learning_rate=1e-4"], ("give a list of values",)),
    "searches a mapping instead of a list": (["training.learning_rate={a: 1}"], ("give a list of values",)),
    "searches an empty list": (["training.learning_rate=[]"], ("give a list of values",)),
    "searches an option without values": (["training.learning_rate"], ("give a list of values",)),
    "searches values of no option": (["=[1]"], ("--search =[1]: write it as OPTION=[VALUE, ...]",)),
    "searches an option twice": (["training.seed=[1]", "training.seed=[2]"], ("--search training.seed", "twice")),
    "searches an option that is not there": (["training.learning-rate=[1]"], ("'training.learning_rate'",)),
    "searches infinity": (["training.epochs=[.inf]"], ("--search training.epochs=[.inf]", "no finite number")),
    "searches what the option refuses": (["training.epochs=[0]"], ("method.training.epochs", "greater than 0")),
    "searches a schedule by its name": (["schedule=[linear]"], ("method.schedule: write a section",)),
    "searches a section through a value": (["training.epochs.x=[1]"], ("no such option",)),
}

RECORDS = {
    "an empty mapping": "{}",
    "a list": "[]",
    "null": "null",
    "no JSON": "{",
    "nothing": "",
    "bytes that are no text": b"\xff\xfe\x00",
    "100,000 levels": "[" * 100_000,
    "the results of another tool": '{"recipe": "bert.yaml", "accuracy": 0.9}',
    "a recipe without a task": '{"recipe": {"task": null}}',
    "a task that is a list": '{"recipe": {"task": ["name"]}}',
    "a task whose name is a number": '{"recipe": {"task": {"name": 5}}}',
    "a number of 5,000 digits": '{"recipe": ' + "1" * 5000 + "}",
}

CASES = [
    *(Case(did, _set(*given), says) for did, (given, says) in SET.items()),
    *(Case(did, _file(text), says) for did, (text, says) in TEXTS.items()),
    *(Case(did, _file(text, "recipe.json"), says) for did, (text, says) in JSON.items()),
    *(Case(did, _with(**sections), says) for did, (sections, says) in VALUES.items()),
    *(Case(did, _search(*given), says) for did, (given, says) in SEARCH.items()),
    *(
        Case(
            f"benches a model whose record is {what}",
            _record("result.json", text, "bench", "MODEL"),
            ("result.json", "--task"),
        )
        for what, text in RECORDS.items()
    ),
    *(
        Case(
            f"exports a model whose record is {what}",
            _record("result.json", text, "export", "MODEL", "out"),
            ("result.json", "--task"),
        )
        for what, text in list(RECORDS.items())[:4]
    ),
    *(
        Case(
            f"benches an ONNX folder whose record is {what}",
            _record("export.json", text, "bench", "MODEL", asset="onnx"),
            ("export.json", "--task"),
        )
        for what, text in list(RECORDS.items())[:7]
    ),
    Case(
        "explains by a model whose record names an unknown task",
        _record("result.json", '{"recipe": {"task": {"name": "x"}}}', "explain", "a", "b", "c", "--model", "MODEL"),
        ("predecessor: ", "no task named 'x'"),
    ),
    Case("names a folder as the recipe", lambda w: ["compress", "."], ("cannot read it", "path of a recipe")),
    Case("names no file as the recipe", lambda w: ["compress", "no.yaml"], ("no.yaml", "No such file")),
    Case("names an endless file as the recipe", lambda w: ["compress", "/dev/zero"], ("/dev/zero", "more than 1 MiB")),
    Case("adds an impossible date under an unknown key", _beside("x: 2024-02-30"), ("unknown key 'x'",)),
    Case("adds a key that stands there already", _beside("model: x"), ("'model' is there twice",)),
    Case(
        "fits for more steps than a run has",
        _fit(epochs=1_000_000, batch_size=1),
        ("40,000,000 optimizer steps", "lower epochs"),
    ),
    Case("fits with a fitter that is not installed", _fit(name="plan"), ("no fitter named 'plan'", "'plain'?")),
    Case("fits with a fitter without a name", lambda w: ["fit", w.recipe(fit="plain")], ("fit: ", "a section")),
    Case("fits with a batch of true", _fit(batch_size=True), ("fit.batch_size", "not true or false")),
    Case("fits with a seed below 0", _fit(seed=-1), ("fit.seed", "greater than or equal to 0")),
    Case("tunes for minutes that are no number", _search(minutes="nan"), ("minutes", "finite")),
    Case("tunes for infinite minutes", _search(minutes="inf"), ("minutes", "finite")),
    Case("tunes into a folder that is not there", _search(output="no/tuned.yaml"), ("no/tuned.yaml", "no folder")),
    Case("tunes into the recipe itself", _search(output="recipe.yaml"), ("recipe.yaml exists already",)),
    Case("tunes into a folder", _search(output="."), ("exists already",)),
    Case("tunes into the successor", _search(output="successor/tuned.yaml"), ("successor/tuned.yaml", "beside it")),
    Case("tunes into a file named as the successor", _search(output="successor"), ("successor", "beside it")),
    Case(
        "tunes into the folder of the search", _search(output="successor.tuning/x.yaml"), ("successor.tuning/x.yaml",)
    ),
    Case(
        "tunes a recipe whose first trial cannot start",
        lambda w: ["tune", w.recipe(task={"train": "no.csv"})],
        ("no.csv",),
    ),
    Case(
        "tunes a recipe whose blocks do not divide",
        lambda w: ["tune", w.recipe(method={"successor_blocks": 4})],
        ("do not divide",),
    ),
    Case(
        "sets an evaluator's option to infinity",
        lambda w: ["bench", str(w.assets / "onnx"), "--set", "latency.noise=.inf"],
        (".inf",),
    ),
    Case(
        "sets an option of an evaluator that is not there",
        lambda w: ["bench", str(w.assets / "onnx"), "--set", "latency.round=1"],
        ("unknown key 'latency.round'", "'rounds'"),
    ),
    Case(
        "sets an evaluator to a number",
        lambda w: ["bench", str(w.assets / "onnx"), "--set", "latency=5"],
        ("latency", "section"),
    ),
    Case(
        "exports with a drop without bound",
        lambda w: ["export", str(w.assets / "predecessor"), "out", "--max-drop", "inf"],
        ("max_drop", "finite"),
    ),
    Case(
        "exports with a drop that is no number",
        lambda w: ["export", str(w.assets / "predecessor"), "out", "--max-drop", "nan"],
        ("max_drop",),
    ),
]

for _name, _content in {
    "{}": "{}",
    "[]": "[]",
    "null": "null",
    "no JSON": "{",
    "no trials": '{"recipe": {}}',
    "numbers": '{"trials": 3}',
}.items():

    def _resumed(w: World, content: str = _content) -> list[str]:
        w.write("successor.tuning/tuning.json", content)
        return ["tune", w.recipe(), "--resume"]

    CASES.append(
        Case(
            f"resumes a search whose record is {_name}",
            _resumed,
            ("successor.tuning", "remove the folder to start anew"),
        )
    )
