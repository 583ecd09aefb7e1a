"""How fast is the attack? Against TextAttack's recipe for it, on the same samples, model and masked language model."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.attack.models import HOME, TASKS_ATTACKED, masked_lm
from benchmarks.suite import once
from benchmarks.targets import Target
from theseus_plugin import api
from theseus_plugin.bert_attack.words import Text, read_stop_words
from theseus_plugin.cores import usable_cores
from theseus_plugin.files import read_json
from theseus_plugin.provenance import environment
from theseus_plugin.report.markdown import markdown_table

ENVIRONMENT = Path(".venv-textattack")
REQUIREMENTS = Path(__file__).with_name("peer-requirements.txt")
TASK = TASKS_ATTACKED["reviews"]
LENGTHS = {"up to 10 words": (1, 10), "11 to 20": (11, 20), "21 to 30": (21, 30), "over 30": (31, 10_000)}
"""Samples are drawn by length, so many of each."""
PUBLISHED, MENDED = "as published", "padding mended"
SAMPLES = {PUBLISHED: 4, MENDED: 15}
"""Of each length, by what they are attacked with: the peer as it is takes most of a minute for one."""
PADDING = {PUBLISHED: "max_length", MENDED: "longest"}
ROUNDS = 3
"""Of ours, which take seconds: the median counts."""
TARGET = 20
RUNTIMES = {"PyTorch": "predecessor", "ONNX Runtime": "predecessor-fp32"}
"""What our attack asks: the model that the peer asks, as it is and exported in the same precision."""


def measure() -> dict[str, Any]:
    """Both on the same samples, a process at a time."""
    samples = {length: _drawn(*bounds) for length, bounds in LENGTHS.items()}
    record: dict[str, Any] = {"environment": environment(), "ours": {}, "theirs": {}}
    for variant, count in SAMPLES.items():
        few = {length: drawn[:count] for length, drawn in samples.items()}
        record["ours"][variant] = {
            runtime: {length: _ours(_model(runtime), some) for length, some in few.items()} for runtime in RUNTIMES
        }
        record["theirs"][variant] = {length: _theirs(some, PADDING[variant]) for length, some in few.items()}
    return record


def table(record: Mapping[str, Any]) -> str:
    """Seconds a sample by length, in Markdown."""
    ways = [f"ours, {runtime}" for runtime in RUNTIMES]
    seconds = [*(f"{way}, s" for way in ways), "TextAttack, s", *(f"times as fast, {runtime}" for runtime in RUNTIMES)]
    rows = [["words", "samples", *seconds, "ours succeed", "TextAttack succeeds"]]
    for variant in SAMPLES:
        for length in (*LENGTHS, "all"):
            mine = [_row(record["ours"][variant][runtime], length) for runtime in RUNTIMES]
            other = _row(record["theirs"][variant], length)
            rows.append(
                [
                    f"{length}, TextAttack {variant}",
                    str(other["samples"]),
                    *(f"{one['seconds']:.3f}" for one in mine),
                    f"{other['seconds']:.2f}",
                    *(f"{other['seconds'] / one['seconds']:.1f}" for one in mine),
                    f"{mine[0]['successes']} of {mine[0]['attacked']}",
                    f"{other['successes']} of {other['attacked']}",
                ]
            )
    return markdown_table(rows)


def targets(record: Mapping[str, Any]) -> Iterator[Target]:
    """Times as fast, and at equal or better success."""
    for variant, runtime in product(SAMPLES, RUNTIMES):
        ours, theirs = _row(record["ours"][variant][runtime], "all"), _row(record["theirs"][variant], "all")
        ratio = theirs["seconds"] / ours["seconds"]
        name = f"through {runtime}, samples a second against TextAttack {variant}"
        yield Target(name, f"{ratio:.1f}x", f"at least {TARGET}x", ratio >= TARGET)
        shares = [one["successes"] / one["attacked"] for one in (ours, theirs)]
        value = f"{shares[0]:.1%}, theirs {shares[1]:.1%}"
        name = f"through {runtime}, attacks that succeed, TextAttack {variant}"
        yield Target(name, value, "at least theirs", shares[0] >= shares[1])


def _row(side: Mapping[str, Mapping[str, float]], length: str) -> dict[str, float]:
    """What was measured for a length, or for all; `seconds` are of one sample."""
    chosen = list(side.values()) if length == "all" else [side[length]]
    summed = {key: sum(one[key] for one in chosen) for key in ("samples", "seconds", "attacked", "successes")}
    return {**summed, "seconds": summed["seconds"] / summed["samples"]}


def _drawn(least: int, most: int) -> list[dict[str, Any]]:
    """Validation examples of so many words."""
    lines = Path(TASK.section()["validation"]).read_text(encoding="utf-8").splitlines()
    fit = [one for one in map(json.loads, lines) if least <= len(Text.of(one["text"]).words) <= most]
    return random.Random(0).sample(fit, max(SAMPLES.values()))


def _model(runtime: str) -> Path:
    folder, checkpoint = TASK.home / RUNTIMES[runtime], TASK.home / RUNTIMES["PyTorch"]
    if folder != checkpoint:
        once(folder, lambda: api.export(str(checkpoint), str(folder)))
    return folder


def _ours(model: Path, samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Every round looks for words anew, but for what is loaded once: nothing of one is left for the next."""
    file = _written(samples)
    section = {**TASK.section(), "validation": str(file)}
    records = []
    for _ in range(ROUNDS):
        found = api.attack([str(model)], {"task": section}, mlm=str(masked_lm(TASK)))
        records.append(found["models"][0]["bert-attack"])
    return {
        "samples": len(samples),
        "seconds": median(record["seconds"] for record in records),
        "attacked": records[0]["attacked"],
        "successes": records[0]["successes"],
        "queries": records[0]["queries"],
    }


def _theirs(samples: Sequence[Mapping[str, Any]], padding: str) -> dict[str, float]:
    python, out = _environment(), HOME / "theirs.json"
    paths = [Path(__file__).with_name("peer.py"), TASK.home / "predecessor", masked_lm(TASK), _written(samples), out]
    options = ["--padding", padding, "--threads", str(usable_cores())]
    variables = os.environ | {"NLTK_DATA": str(_stop_words()), "HF_HUB_OFFLINE": "1"}
    subprocess.run([str(python), *map(str, paths), *options], env=variables, check=True)
    attacked = [one for one in read_json(out) if one["status"] != "skipped"]
    return {
        "samples": len(samples),
        "seconds": sum(one["seconds"] for one in read_json(out)),
        "attacked": len(attacked),
        "successes": sum(one["status"] == "success" for one in attacked),
        "queries": fmean(one["queries"] for one in attacked),
    }


def _written(samples: Sequence[Mapping[str, Any]]) -> Path:
    file = HOME / "samples.jsonl"
    file.write_text("".join(json.dumps(dict(one)) + "\n" for one in samples), encoding="utf-8")
    return file


def _stop_words() -> Path:
    """A folder of data as NLTK has it, with our stop words in it: its own cannot be downloaded everywhere."""
    folder = HOME / "nltk_data"
    file = folder / "corpora" / "stopwords" / "english"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(sorted(read_stop_words(None))), encoding="utf-8")
    return folder.resolve()


def _environment() -> Path:
    """The interpreter of an environment with TextAttack, made if it is not there: it holds transformers below 5."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
    return python
