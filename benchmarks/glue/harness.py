"""What the successors' depth buys once they are exported: latency and bytes, measured by the project's own harness."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.glue.grid import HALF, THIRD, Cell
from benchmarks.glue.runner import BENCH, folder_of, run_models
from benchmarks.glue.scores import chosen_rate
from benchmarks.glue.tasks import HOME, TASKS
from theseus_plugin import api
from theseus_plugin.report.markdown import markdown

TASK = "MRPC"
"""Whose models are measured: successors of one depth differ in nothing but their weights, whatever made them."""
SHAPES = ["1x64", "32x64"]
COLUMNS = {"model", "precision", "MB on disk", *(f"ms, {shape}" for shape in SHAPES)}


def measure() -> None:
    """Export the predecessor and the first successors of `theseus`, in fp32 and 8 bits, and time them side by side."""
    models = list(_exports())
    latency = {"shapes": SHAPES, "task_examples": 0}
    BENCH.put("bench", api.bench(models, evaluators={"latency": latency, "size": {}, "accuracy": {}}))


def table() -> str:
    """What was measured, in Markdown."""
    return markdown(BENCH["bench"]["models"], COLUMNS).rstrip()


def _exports() -> Iterator[str]:
    rate = chosen_rate("theseus")
    folders = {"predecessor": TASKS[TASK].predecessor}
    cells = [Cell("main", TASK, blocks, "theseus", rate, 1) for blocks in (HALF, THIRD)]
    run_models(cells, jobs=2)
    folders |= {f"{cell.blocks}-blocks": folder_of(cell) for cell in cells}
    for name, folder in folders.items():
        for precision in ("fp32", "int8-dynamic"):
            output = HOME / "exports" / f"{name}-{precision}"
            if not output.exists():
                api.export(str(folder), str(output), precision=precision)
            yield str(output)
