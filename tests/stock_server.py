"""Knows torch and transformers and nothing of ours; forks itself for each program that a line of its input asks for.

It is started as a script, and imports nothing of the tests.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

PRELOADED = (
    "accelerate",
    "datasets",
    "pandas",
    "pydantic",
    "sklearn.metrics",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.models.t5.modeling_t5",
)


def main() -> None:
    """Serve until the input ends."""
    sys.path.pop(0)  # the folder of this file
    for name in PRELOADED:
        importlib.import_module(name)
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return perform(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def perform(job: dict[str, Any]) -> None:
    """What a line asks for, in a fork: a program with its arguments, folder, variables, and places to import from."""
    for number, path in enumerate((os.devnull, job["stdout"], job["stderr"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["variables"])
    sys.executable, sys.argv = job["python"], job["program"]
    program = sys.argv[0]
    if program == "-m":
        sys.argv.pop(0)
        sys.path[:] = [job["folder"], *job["path"]]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif program == "read":
        read(*sys.argv[1:])
    else:
        sys.path[:] = [str(Path(program).parent), *job["path"]]
        runpy.run_path(program, run_name="__main__")


def read(folder: str, auto_class: str, batch: str) -> None:
    """Print a checkpoint's logits of a batch, and its number of parameters."""
    import torch
    import transformers
    from safetensors.numpy import load_file

    model = getattr(transformers, auto_class).from_pretrained(folder).eval()
    inputs = {name: torch.from_numpy(array) for name, array in load_file(batch).items()}
    with torch.no_grad():
        logits = model(**inputs).logits.tolist()
    assert not any(name.startswith("theseus_plugin") for name in sys.modules)
    answer = [logits, sum(p.numel() for p in model.parameters())]
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # to take all modules down takes longer than to read a checkpoint


if __name__ == "__main__":
    main()
