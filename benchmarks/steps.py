"""One contender of `benchmarks.loop`, in a process of its own: trains a stretch of the replacing phase and times it.

    python -m benchmarks.steps CONTENDER HOME RESULT.json --steps 40

All contenders see the same texts and make the same draws; those of one padding get the same batches.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks import authors
from benchmarks.watching import WatchedRecipe, before_passes, without_lengths
from theseus_plugin import api
from theseus_plugin.checkpoint import load_model
from theseus_plugin.contract import TaskData
from theseus_plugin.files import write_json
from theseus_plugin.measure import process_memory
from theseus_plugin.methods.replacing.assembly import assemble, cast_frozen
from theseus_plugin.methods.replacing.phases import ReplacingPhase
from theseus_plugin.methods.replacing.switch import Slot
from theseus_plugin.recipe import load_recipe
from theseus_plugin.training.batches import BatchStream
from theseus_plugin.training.optimisation import build_optimizer
from theseus_plugin.training.precision import product_seconds, resolve_precision

WARM_UP = 4
"""Steps before the clock starts."""
CONTENDERS = (
    *("authors", "authors-longest", "ours-longest", "ours-fp32", "ours", "ours-two"),
    *("paired-longest", "paired", "memory-fit", "memory-compress", "memory-compress-blocks"),
)
"""`-longest`: random batches, each padded to its longest text, in fp32; `-fp32`: batches of similar length in fp32; the
others in the precision that the hardware computes in. `paired`: ours and the bare cost of its path, step by step.
`-blocks`: as in the paper, the successor phase trains the blocks alone."""


Batch = Mapping[str, Tensor]


class Done(Exception):
    """Enough steps were timed."""


def main() -> None:
    """Run one contender and write what it measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("home", type=Path, help="folder with recipe.yaml and its predecessor")
    parser.add_argument("result", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    measured = run(arguments.contender, arguments.home, arguments.steps)
    rank = os.environ.get("RANK")
    write_json(arguments.result.with_suffix(f".{rank}.json") if rank else arguments.result, measured)


def run(contender: str, home: Path, steps: int) -> dict[str, Any]:
    """Seconds, useful tokens and what else a contender has to tell."""
    kind, _, how = contender.partition("-")
    if kind == "memory":
        return _memory(home, how, steps)
    change = without_lengths if kind == "authors" or how == "longest" else _as_they_are
    precision = "auto" if how in ("", "two") else "fp32"
    recipe = _recipe(home, steps, change, processes=2 if how == "two" else 1, precision=precision)
    if kind == "ours":
        return _ours(recipe, steps)
    if kind == "paired":
        return _paired(recipe, steps)
    return _authors(recipe, steps, padded=how != "longest")


def _as_they_are(data: TaskData) -> TaskData:
    return data


def _recipe(
    home: Path, steps: int, change: Callable[[TaskData], TaskData], processes: int = 1, **more: Any
) -> WatchedRecipe:
    """All steps are of the replacing phase, p rising from 0.3 to 1; no evaluation or checkpoint among them."""
    whole = load_recipe(home / "recipe.yaml")
    total = steps + WARM_UP + 1
    training = {"max_steps": total, "eval_steps": total, "batch_size": 32 // processes, "learning_rate": 1e-4, **more}
    content = {
        "model": whole.predecessor,
        "predecessor": whole.path("predecessor"),
        "successor": str(home / f"never-{os.getpid()}"),
        "task": {**(whole.task or {}), "validation": str(home / "few.jsonl")},
        "fit": training,
        "method": {
            "name": "theseus",
            "successor_blocks": 3,
            "training": training,
            "schedule": {"name": "linear", "share": 1.0},
        },
    }
    return WatchedRecipe(**dict(load_recipe(content)), change=change)


def _ours(recipe: WatchedRecipe, steps: int) -> dict[str, Any]:
    """The real command, stopped before it would evaluate; a step is timed from forward pass to forward pass."""
    marks: list[float] = []
    batches: list[Batch] = []
    draws: list[Sequence[bool]] = []

    def mark(model: PreTrainedModel, batch: Batch) -> None:
        marks.append(time.perf_counter())
        if len(marks) > WARM_UP + steps:
            raise Done
        batches.append(batch)
        draws.append(_drawn(model))

    with before_passes(mark), suppress(Done):
        api.compress(recipe)
    return _told(marks[WARM_UP:], batches[WARM_UP:], draws[WARM_UP:], _precision(recipe))


def _drawn(model: PreTrainedModel) -> list[bool]:
    """Which modules are replaced in the pass that comes."""
    modules = dict.fromkeys(slot.module for slot in model.modules() if isinstance(slot, Slot))
    return [module.replaced for module in modules]


def _paired(recipe: WatchedRecipe, steps: int) -> dict[str, Any]:
    """Before each step of ours the bare cost of the same path: forward, backward and fused optimizer of the drawn
    modules, on the same batch, in the same precision and with the same dropout; on another model, of the same weights.
    """
    bare = _bare_step(recipe, steps)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    began: list[float] = []

    def mark(model: PreTrainedModel, batch: Batch) -> None:
        now = time.perf_counter()
        if began:
            seconds["ours"].append(now - began[-1])
        if len(began) == WARM_UP + steps:
            raise Done
        with torch.autocast("cpu", enabled=False):  # the pass that comes is within ours
            bare(batch, _drawn(model))
        seconds["bare"].append(time.perf_counter() - now)
        began.append(time.perf_counter())

    with before_passes(mark), suppress(Done):
        api.compress(recipe)
    return {f"{name}_seconds": times[WARM_UP:] for name, times in seconds.items()}


def _bare_step(recipe: WatchedRecipe, steps: int) -> Callable[[Batch, Sequence[bool]], None]:
    config: Any = recipe.create_method().config
    precision = _precision(recipe)
    assembly = assemble(load_model(recipe.path("predecessor"), recipe.create_task().auto_class), config)
    if precision == "bf16":
        cast_frozen(assembly, torch.bfloat16)
    ReplacingPhase(assembly, config, steps, steps).start()
    optimizer = build_optimizer(assembly.successor_blocks.parameters(), config.training)
    network = assembly.predecessor.train()

    def step(batch: Batch, draw: Sequence[bool]) -> None:
        for module, replaced in zip(assembly.modules, draw, strict=True):
            module.replaced = replaced
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = network(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _authors(recipe: WatchedRecipe, steps: int, padded: bool) -> dict[str, Any]:
    config, stream, model, draws = _parts(recipe, steps)
    batches = stream.take(WARM_UP + steps)
    if padded:
        batches = [authors.padded(batch) for batch in batches]
    loop = authors.Authors(model, config.training.learning_rate)
    return _timed(loop.step, batches, draws, "fp32")


def _parts(recipe: WatchedRecipe, steps: int) -> Any:
    """Options, batches, model and draws as `compress` would have them."""
    from theseus_plugin.methods.replacing.schedules import rate
    from theseus_plugin.methods.replacing.switch import draw

    config: Any = recipe.create_method().config
    task, predecessor = recipe.create_task(), recipe.path("predecessor")
    stream = BatchStream(task.load(predecessor), config.training, Accelerator(cpu=True))
    model = load_model(predecessor, task.auto_class)
    torch.manual_seed(config.training.seed)
    rates = [rate(config.schedule, step, steps + WARM_UP + 1) for step in range(WARM_UP + steps)]
    draws = [draw(one, 3, config.training.seed, step) for step, one in enumerate(rates)]
    return config, stream, model, draws


def _timed(step: Callable[[Any, Any], None], batches: list[Any], draws: list[Any], precision: str) -> dict[str, Any]:
    marks = []
    for batch, draw in zip(batches, draws, strict=True):
        marks.append(time.perf_counter())
        step(batch, draw)
    marks.append(time.perf_counter())
    return _told(marks[WARM_UP:], batches[WARM_UP:], draws[WARM_UP:], precision)


def _told(marks: list[float], batches: list[Batch], draws: list[Any], precision: str) -> dict[str, Any]:
    lengths = [batch["attention_mask"].sum(1).tolist() for batch in batches]
    return {
        "seconds": marks[-1] - marks[0],
        "step_seconds": [after - before for before, after in pairwise(marks)],
        "useful_tokens": sum(map(sum, lengths)),
        "padded_tokens": sum(batch["attention_mask"].numel() for batch in batches),
        "operations": sum(necessary(draw, row) for draw, row in zip(draws, lengths, strict=True)),
        "peak_gflops": _peak(torch.bfloat16 if precision == "bf16" else torch.float32),
        "precision": precision,
        "threads": torch.get_num_threads(),
    }


def necessary(draw: Sequence[bool], lengths: Sequence[int], width: int = 384, inner: int = 1536) -> int:
    """Floating point operations of the matrix products that a draw cannot do without, on the tokens that there are.

    Forward through the path; backward to the lowest replaced module, for the inputs of all above it and for the
    weights of those replaced. Of two predecessor blocks a module, one successor block.
    """
    tokens = sum(lengths)
    projections = 2 * tokens * (4 * width * width + 2 * width * inner)
    attention = 2 * 2 * width * sum(length * length for length in lengths)
    path = [replaced for replaced in draw for _ in range(1 if replaced else 2)]
    lowest = path.index(True)
    total = 0
    for place, replaced in enumerate(path):
        total += projections + attention
        if place >= lowest:
            total += projections + 2 * attention + (projections if replaced else 0)
    # nothing below the lowest replaced block wants the gradient of its queries', keys' and values' inputs
    return total - 2 * tokens * 3 * width * width


def _peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a large square product, the best of many."""
    return 2 * 2048**3 / product_seconds([dtype], size=2048, rounds=12)[dtype] / 1e9


def _precision(recipe: WatchedRecipe) -> str:
    config: Any = recipe.create_method().config
    return resolve_precision(config.training, torch.device("cpu"))


def _memory(home: Path, what: str, steps: int) -> dict[str, Any]:
    """The most memory that a whole run takes, beyond what is resident once its data are loaded."""
    before: list[int] = []

    def noted(data: TaskData) -> TaskData:
        process_memory.forget_peak()
        before.append(process_memory.now() or 0)
        return data

    recipe = _recipe(home, steps, noted)
    if what == "fit":
        api.fit(recipe.model_copy(update={"predecessor": recipe.successor}))
    else:
        phase = "blocks" if "blocks" in what else "all"
        method = {**(recipe.method or {}), "schedule": {"name": "linear"}, "successor_phase": phase}
        api.compress(recipe.model_copy(update={"method": method}))
    return {"bytes": (process_memory.peak() or 0) - before[0], "steps": steps}


if __name__ == "__main__":
    main()
