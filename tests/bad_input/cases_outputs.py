"""Outputs that cannot be written: wrong paths, full disks, streams that are closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tests.bad_input.driver import Case
from tests.bad_input.world import World

Command = Callable[[World, str], list[str]]
"""Arguments of a command whose output is the given path."""


def _fit(w: World, output: str) -> list[str]:
    return ["fit", w.recipe(predecessor=output)]


def _compress(w: World, output: str) -> list[str]:
    return ["compress", w.recipe(successor=output)]


def _export(w: World, output: str) -> list[str]:
    return ["export", str(w.assets / "predecessor"), output]


def _export_int8(w: World, output: str) -> list[str]:
    return [*_export(w, output), "--precision", "int8-dynamic", "--max-drop", "100"]


def _tune(w: World, output: str) -> list[str]:
    search = "training.learning_rate=[1e-3,2e-3]"
    return ["tune", w.recipe(), "--trials", "1", "--search", search, "--output", output]


def _tune_successor(w: World, output: str) -> list[str]:
    return ["tune", w.recipe(successor=output), "--trials", "1", "--search", "training.learning_rate=[1e-3,2e-3]"]


def _report(w: World, output: str) -> list[str]:
    return ["bench", str(w.assets / "onnx"), "--evaluator", "size", "--report", output]


def _records(w: World, output: str) -> list[str]:
    return ["bench", str(w.assets / "onnx"), "--evaluator", "size", "--records", output]


def _attack(w: World, output: str) -> list[str]:
    return ["attack", str(w.assets / "predecessor"), "--mlm", str(w.assets / "pretrained"), "--output", output]


def _demo(w: World, output: str) -> list[str]:
    return ["demo", "--quick", "--folder", output]


def _olive(w: World, output: str) -> list[str]:
    return ["olive-config", output]


def _plugin(w: World, output: str) -> list[str]:
    return ["new-plugin", "my-method", "--folder", output]


FOLDERS: dict[str, Command] = {
    "fit": _fit,
    "compress": _compress,
    "export": _export,
    "tune": _tune_successor,
    "attack": _attack,
    "demo": _demo,
    "new-plugin": _plugin,
}
FILES: dict[str, Command] = {
    "tune --output": _tune,
    "bench --report": _report,
    "bench --records": _records,
    "olive-config": _olive,
}
ALL = FOLDERS | FILES


def _to(command: Command, output: str, *, file: str | None = None, link: tuple[str, str] | None = None) -> Command:
    """The command with that output, in a folder that holds a file or a link."""

    def prepare(w: World) -> list[str]:
        if file is not None:
            w.write(file, "mine")
        if link is not None:
            os.symlink(link[1], link[0])
        return command(w, output)

    return prepare  # type: ignore[return-value]


def _into(did: str, output: str, *says: str, commands: dict[str, Command], **world: object) -> list[Case]:
    return [
        Case(f"{did} ({command})", _to(run, output, **world), says)  # type: ignore[arg-type]
        for command, run in commands.items()
    ]


HOLD = (
    "import sys; from theseus_plugin.writing.claims import claimed\n"
    "with claimed(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
)


def _parquet(w: World) -> list[str]:
    """Examples that `datasets` prepares in its cache."""
    import pandas

    pandas.DataFrame({"text": ["uncached", "seen"] * 300, "label": [0, 1] * 300}).to_parquet("new.parquet")
    return ["compress", w.recipe(task={"train": "new.parquet"})]


def _twice(command: str, run: Command) -> Case:
    """The command while another process writes the same output, which ends as soon as we do."""

    def prepare(w: World) -> list[str]:
        hold = [sys.executable, "-c", HOLD, "recipe.yaml" if command == "demo" else "out"]
        other = subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert other.stdout is not None
        other.stdout.readline()
        HOLDERS.append(other)
        return run(w, "." if command == "demo" else "out")

    return Case(
        f"starts it twice into one output ({command})", prepare, ("is being written by process ", "wait for it")
    )


HOLDERS: list[subprocess.Popen[bytes]] = []
"""Kept, since their input must stay open."""


def _ends_at(command: str, run: Command, size: int) -> Case:
    """The command on a disk where no file gets longer."""
    return Case(
        f"lacks space for files of more than {size:,} bytes ({command})",
        lambda w: run(w, "out"),
        ("out", "cannot write"),
        begun=True,
        largest_file=size,
    )


CASES = [
    *_into("writes into a file as if it were a folder", "mine/out", "mine is a file", commands=ALL, file="mine"),
    *_into("writes below a file", "mine/deep/er/out", "mine is a file", commands=FOLDERS, file="mine"),
    *_into("writes below a link to nothing", "gone/out", "gone is a link to", commands=ALL, link=("gone", "no/such")),
    *_into("writes below a link to itself", "round/out", "cannot write", commands=FOLDERS, link=("round", "round")),
    *_into("gives an output a name of 300 characters", "x" * 300, "File name too long", commands=ALL),
    *_into("gives a folder of an output 300 characters", f"{'x' * 300}/out", "too long", commands=FOLDERS),
    *_into("names an output that is too long with what we add", "x" * 250, "too long", commands=FOLDERS),
    *_into("gives an output of 5,000 characters in all", "y/" * 2500 + "out", "too long", commands=FOLDERS),
    *_into("writes into /proc", "/proc/x/o", "/proc/x/o", commands=ALL),
    *_into("writes into /sys", "/sys/out", "/sys/out", commands=FOLDERS),
    *_into("writes into a device", "/dev/null/out", "/dev/null", commands=FOLDERS),
    *_into("gives an empty output", "", "empty name", commands={k: v for k, v in ALL.items() if k != "tune --output"}),
    *_into("gives an output of blanks", "  ", "empty name", commands=FOLDERS),
    *_into("gives ~ as the output", "~", "'~'", commands={k: v for k, v in ALL.items() if k != "tune"}),
    *_into("writes below ~", "~/out", "'~'", "/out", commands=ALL),
    *_into("writes into the current folder", ".", "exists already", commands={"export": _export, "fit": _fit}),
    *_into("writes into the folder above", "..", "exists already", commands={"export": _export, "fit": _fit}),
    *_into("writes into the root folder", "/", "exists already", commands={"export": _export, "fit": _fit}),
    *_into("writes onto a file", "mine", "exists already", commands={"export": _export, "fit": _fit}, file="mine"),
    *_into(
        "writes onto a link to nothing",
        "gone",
        "link to",
        commands={"export": _export, "new-plugin": _plugin},
        link=("gone", "no/such"),
    ),
    *_into("names a folder where a file is written", "sub/", "is a folder", commands={"bench --report": _report}),
    *_into(
        "names the current folder where a file is written",
        ".",
        "is a folder",
        commands={
            "bench --report": _report,
            "bench --records": _records,
            "olive-config": _olive,
        },
    ),
    *_into(
        "writes a file into a folder that is not there",
        "no/such/out",
        "no folder",
        commands={
            "bench --report": _report,
            "bench --records": _records,
            "olive-config": _olive,
        },
    ),
    Case("compresses a model onto itself", lambda w: _compress(w, str(w.assets / "predecessor")), ("exists already",)),
    Case("exports a model onto itself", lambda w: _export(w, str(w.assets / "predecessor")), ("exists already",)),
    Case(
        "has a file where checkpoints go",
        lambda w: _compress(w, w.write("out.checkpoints", "mine").removesuffix(".checkpoints")),
        ("out.checkpoints", "no folder"),
    ),
    Case(
        "gives an output with a null character",
        lambda w: ["compress", w.recipe(successor="a\0b")],
        ("null character",),
    ),
    *(_ends_at("fit", _fit, size) for size in (1_500, 20_000, 60_000)),
    *(_ends_at("compress", _compress, size) for size in (1_500, 5_000, 30_000)),
    *(_ends_at("export", _export, size) for size in (1_000, 10_000, 60_000, 100_000)),
    *(_ends_at("export to int8", _export_int8, size) for size in (40_000, 80_000)),
    *(_ends_at("olive-config", _olive, size) for size in (100, 5_000)),
    *(_ends_at("new-plugin", _plugin, size) for size in (10, 500, 1_500)),
    *(_ends_at("bench --report", _report, size) for size in (0, 100, 2_000)),
    *(_ends_at("bench --records", _records, size) for size in (0, 100)),
    _ends_at("tune", _tune_successor, 0),
    *(_ends_at("demo", _demo, size) for size in (0, 500)),
    Case(
        "lacks space in the cache of examples",
        _parquet,
        ("cache of data sets", "File too large", "HF_DATASETS_CACHE"),
        largest_file=100,
    ),
    *(_twice(command, run) for command, run in FOLDERS.items() if command != "attack"),
    Case(
        "writes the report over the model",
        lambda w: ["bench", str(w.copy("onnx")), "--report", "onnx/model.onnx"],
        ("onnx/model.onnx would overwrite onnx",),
    ),
    Case(
        "writes the report over the configuration of the model",
        lambda w: ["bench", str(w.copy("onnx")), "--report", "onnx/config.json"],
        ("onnx/config.json would overwrite onnx",),
    ),
    Case(
        "appends records to the model",
        lambda w: ["bench", str(w.copy("onnx")), "--records", "onnx/model.onnx"],
        ("onnx/model.onnx would overwrite onnx",),
    ),
    Case(
        "writes report and records into one file",
        lambda w: ["bench", str(w.assets / "onnx"), "--report", "one", "--records", "one"],
        ("one would overwrite one",),
    ),
    Case("names a command that is not there", lambda w: ["fitt", "x"], ("No such command 'fitt'", "--help")),
    Case("leaves the recipe out", lambda w: ["fit"], ("Missing argument 'RECIPE'", "fit --help")),
    Case("gives an option that is not there", lambda w: ["fit", "--epochs", "3"], ("No such option", "--epochs")),
    Case("gives an option without its value", lambda w: ["bench", "m", "--report"], ("--report", "argument")),
    Case("gives a choice that is none", lambda w: ["new-plugin", "a", "--kind", "metod"], ("--kind", "metod")),
    Case("gives words for a number", lambda w: ["bench", "m", "--threads", "all"], ("--threads", "all")),
    Case(
        "names a recipe with an escape sequence and a line break",
        lambda w: ["fit", w.write("a\x1b[31m\nb.yaml", "[]")],
        (r"a\x1b[31m\nb.yaml", "a recipe is a mapping"),
    ),
    Case(
        "names a model with a bell and a mark that turns text round",
        lambda w: ["bench", "mod\x07el\u202egnp"],
        (r"mod\x07el\u202egnp",),
    ),
    Case("names a model that is no text", lambda w: ["bench", "mod\udcffel"], (r"mod\udcffel",)),
    Case(
        "gives an unknown command with an escape sequence",
        lambda w: ["\x1b[2Jfit"],
        (r"\x1b[2Jfit", "No such command"),
    ),
]
