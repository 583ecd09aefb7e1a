"""The options that a user typed behind `accelerate launch`.

Accelerate hands some of them on in variables, and drops others without a word where the engine that would read them was
not asked for. So they are looked up where they were typed.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from pathlib import Path

_WRITTEN = "ACCELERATE_MIXED_PRECISION"
"""A variable that the launcher always sets."""
_NOT_TYPED = ("func", "nondefault", "training_script_args")
_ABOVE = 4
"""Processes to look at: the parent, and those above it where torchrun stands between."""


def launcher_options() -> dict[str, str]:
    """What was typed behind `accelerate launch`, by name and without what came of a file; empty where nothing was."""
    return _typed() if _WRITTEN in os.environ else {}


def parse(words: list[str]) -> dict[str, str] | None:
    """What a command line of Accelerate's launcher gives of its options, by name; None: it is none."""
    from accelerate.commands.launch import launch_command_parser

    start = _behind_launch(words)
    if start is None:
        return None
    parser = launch_command_parser()
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    try:
        typed, _ = parser.parse_known_args(words[start:])
    except SystemExit:  # the launcher itself took them, so this is another command
        return None
    return {name: str(value) for name, value in vars(typed).items() if name not in _NOT_TYPED}


@cache
def _typed() -> dict[str, str]:
    import psutil

    for process in psutil.Process().parents()[:_ABOVE]:
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if _behind_launch(words) is not None:
            return parse(words) or {}
    return {}


def _behind_launch(words: list[str]) -> int | None:
    """Where the options begin in `accelerate launch ...`, `accelerate-launch ...` or `python -m ...launch ...`."""
    for at, word in enumerate(words):
        name = Path(word).name
        if name == "accelerate-launch" or word == "accelerate.commands.launch":
            return at + 1
        if word == "launch" and at and Path(words[at - 1]).name in ("accelerate", "accelerate_cli.py"):
            return at + 1
        if word == "launch" and at and words[at - 1] == "accelerate.commands.accelerate_cli":
            return at + 1
    return None
