"""What runs in a measuring process; imports no more than the model it measures needs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from theseus_plugin.errors import UserError
from theseus_plugin.measure.models import Runnable, open_model
from theseus_plugin.measure.timing import Rule, measure

Arrays = dict[str, np.ndarray]
"""`<batch>.<input>` to array; batches keep their order."""


def main() -> None:
    """Do the job in the folder given as first argument."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        batches = _batches(dict(stored))
    try:
        record, arrays = JOBS[job["job"]](job, batches)
    except UserError as error:
        (folder / "refusal.txt").write_text(str(error))
        return
    (folder / "result.json").write_text(json.dumps(record))
    np.savez(folder / "result.npz", **arrays)  # type: ignore[arg-type]


def predict(job: dict[str, Any], batches: dict[str, Arrays]) -> tuple[dict[str, Any], Arrays]:
    """Logits of every batch."""
    model, _ = _open(job)
    logits = {}
    for name, batch in batches.items():
        logits[name] = model.run(batch)
        print("tick", flush=True)  # noqa: T201
    return {}, logits


def clock(job: dict[str, Any], batches: dict[str, Arrays]) -> tuple[dict[str, Any], Arrays]:
    """Load time in ms, and for every batch the first call and the steady calls in ns."""
    model, load_ms = _open(job)
    first, calls = {}, {}
    for name, batch in batches.items():
        first[name], steady = measure(lambda batch=batch: model.run(batch), Rule(**job["rule"]))  # type: ignore[misc]
        calls[name] = np.array(steady, dtype=np.int64)
        print("tick", flush=True)  # noqa: T201
    return {"load_ms": load_ms, "first_ns": first}, calls


JOBS: dict[str, Callable[[dict[str, Any], dict[str, Arrays]], tuple[dict[str, Any], Arrays]]] = {
    "predict": predict,
    "clock": clock,
}


def _open(job: dict[str, Any]) -> tuple[Runnable, float]:
    """The model and the ms it took to load, the import of its runtime not counted."""
    if job["kind"] == "onnx":
        import onnxruntime  # noqa: F401
    else:
        import torch  # noqa: F401
        import transformers

        getattr(transformers, job["auto_class"])
    start = time.perf_counter_ns()
    model = open_model(job["kind"], Path(job["file"]), job["auto_class"], job["threads"])
    return model, (time.perf_counter_ns() - start) / 1e6


def _batches(arrays: Arrays) -> dict[str, Arrays]:
    batches: dict[str, Arrays] = {}
    for key, array in arrays.items():
        batch, _, name = key.partition(".")
        batches.setdefault(batch, {})[name] = array
    return batches
