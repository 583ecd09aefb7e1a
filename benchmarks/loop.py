"""How fast is the replacing loop? Against the authors', and against its own limit.

    python -m benchmarks loop                 # about 25 minutes on 2 cores that do nothing else
    python -m benchmarks loop --check         # what is committed against what it should reach

The demo's reviews and the real 6-block encoder; every contender in a process of its own (`benchmarks/steps.py`), all of
them in every round, forth and back. What a round holds is not measured again. Records: `benchmarks/results/loop.jsonl`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import suite
from benchmarks.records import Records
from benchmarks.steps import CONTENDERS
from benchmarks.targets import Target
from theseus_plugin import api
from theseus_plugin.demo import _prepare
from theseus_plugin.files import read_json
from theseus_plugin.provenance import environment
from theseus_plugin.report.markdown import markdown_table

RECORDS = Records("loop")
ROUNDS = 5
STEPS = 16
PEAK = {"fp32": 0.8, "bf16": 0.65}
"""The share of the machine's matrix-product peak to reach, by precision."""
Round = Mapping[str, Any]


def main() -> None:
    """Measure the rounds that are missing, then print what all of them give."""
    options = suite.parser("loop", __doc__)
    options.add_argument("--home", type=Path, default=Path("runs/loop"), help="where data and checkpoint go")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    suite.answer(options, measure, lambda: [RECORDS], tell)


def tell() -> bool:
    """Print both tables, and say whether every target is reached."""
    rounds = [one["contenders"] for one in RECORDS.values()]
    lines = targets(rounds)
    print(markdown(lines))  # noqa: T201
    print("\n" + throughput(rounds))  # noqa: T201
    return all(line.reached for line in lines)


def measure(arguments: Namespace) -> None:
    """One record a round; contenders go forth in even rounds and back in odd ones."""
    home: Path = arguments.home
    _ready(home)
    for number in range(arguments.rounds):
        key = f"round-{number}"
        record: dict[str, Any] = RECORDS.get(key, {"contenders": {}, "steps": STEPS})
        later = {"environment": environment()} if key in RECORDS else {}
        for name in CONTENDERS if number % 2 == 0 else CONTENDERS[::-1]:
            if name not in record["contenders"]:
                record["contenders"][name] = {**_contend(name, home), **later}
                RECORDS.put(key, {"environment": environment(), **record})


def _ready(home: Path) -> None:
    """The demo's data, a few validation examples, and the real encoder with a head."""
    recipe = _prepare(home, quick=False)
    few = (home / "validation.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:64]
    (home / "few.jsonl").write_text("".join(few), encoding="utf-8")
    if not (home / "predecessor").exists():
        from theseus_plugin import load_recipe

        api.fit(load_recipe(recipe, ["fit.max_steps=1"]))


def _contend(name: str, home: Path) -> dict[str, Any]:
    """Run a contender; of two processes, what both did in the time of the slower."""
    print(f"  {name}", file=sys.stderr)  # noqa: T201
    result = home / f"{name}.json"
    module = ["-m", "benchmarks.steps", name, str(home), str(result), "--steps", str(STEPS)]
    variables = dict(os.environ)
    variables.pop("OMP_NUM_THREADS", None)
    if name == "ours-two":
        variables |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        module = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *module]
    subprocess.run([sys.executable, *module], check=True, env=variables, stdout=subprocess.DEVNULL)
    for left in home.glob("never-*"):
        shutil.rmtree(left)
    if name != "ours-two":
        return dict(read_json(result))
    ranks = [read_json(result.with_suffix(f".{rank}.json")) for rank in range(2)]
    return {**ranks[0], "seconds": max(rank["seconds"] for rank in ranks),
            "useful_tokens": sum(rank["useful_tokens"] for rank in ranks)}  # fmt: skip


def speed(round_: Round, name: str) -> float:
    """Useful tokens a second."""
    return float(round_[name]["useful_tokens"] / round_[name]["seconds"])


def share(round_: Round, name: str) -> float:
    """Necessary operations a second, as a share of the peak measured in the same process."""
    told = round_[name]
    return float(told["operations"] / told["seconds"] / 1e9 / told["peak_gflops"])


def targets(rounds: Sequence[Round]) -> list[Target]:
    """What the rounds give for each target: the median over rounds, and their range."""
    precision = rounds[0]["ours"]["precision"]
    in_precision = {precision: ["ours"]}
    in_precision.setdefault("fp32", []).append("ours-fp32")  # the same contender twice where there is no bf16
    return [
        _target("useful tokens/s against the authors' loop as published",
                [speed(r, "ours") / speed(r, "authors") for r in rounds], 15, "x"),
        _target("the same padding and precision (fp32, longest)",
                [speed(r, "ours-longest") / speed(r, "authors-longest") for r in rounds], 1.5, "x"),
        *(
            _target(f"step time against the bare cost of the same path ({how}), step by step",
                    [_overhead(r, name) for r in rounds], 1.05, "x", at_most=True)
            for name, how in (("paired", precision), ("paired-longest", "fp32, longest"))
        ),
        *(
            _target(f"share of the matrix-product peak, necessary operations ({which})",
                    [share(r, name) for r in rounds for name in names], PEAK[which], "")
            for which, names in in_precision.items()
        ),
        _target("2 processes x 1 thread against 1 process x 2 threads",
                [speed(r, "ours-two") / speed(r, "ours") for r in rounds], 0.9, "x"),
        *(
            _target(f"peak memory against fine-tuning the predecessor{how}",
                    [r[name]["bytes"] / r["memory-fit"]["bytes"] for r in rounds], 0.7, "x", at_most=True)
            for name, how in (("memory-compress", ""), ("memory-compress-blocks", ", successor_phase: blocks"))
        ),
    ]  # fmt: skip


def _overhead(round_: Round, name: str) -> float:
    """The median over steps of our time to the bare one's."""
    return float(np.median(np.array(round_[name]["ours_seconds"]) / np.array(round_[name]["bare_seconds"])))


def _target(name: str, values: Sequence[float], target: float, unit: str, at_most: bool = False) -> Target:
    median = float(np.median(values))
    reached = median <= target if at_most else median >= target
    value = f"{median:.2f}{unit} ({min(values):.2f} to {max(values):.2f})"
    return Target(name, value, f"{'at most' if at_most else 'at least'} {target}{unit}", reached)


def markdown(lines: Sequence[Target]) -> str:
    """The table as `docs/results.md` shows it."""
    rows = [[line.name, line.value, line.target, "yes" if line.reached else "**no**"] for line in lines]
    return markdown_table([["figure", "median over rounds (range)", "reach", "reached"], *rows], numbers=False)


def throughput(rounds: Sequence[Round]) -> str:
    """Useful tokens a second of every contender that trains."""
    names = [name for name in CONTENDERS if name.startswith(("authors", "ours"))]
    rows = [[name, f"{np.median([speed(r, name) for r in rounds]):,.0f}"] for name in names]
    return markdown_table([["contender", "useful tokens/s"], *rows])


if __name__ == "__main__":
    main()
