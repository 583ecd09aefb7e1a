"""What do successors give once they are exported? Every checkpoint in every precision, side by side.

    python -m benchmarks successors runs/demo/predecessor runs/demo/successor  # 20 to 35 minutes on 2 cores
    python -m benchmarks successors --check        # what is committed, and the targets

The first checkpoint is the predecessor. Exports go beside the checkpoints and are made once; a finished part (a shape,
the task's texts, accuracy, memory and size, the share of the machine's peak) is not measured again, so that an
interrupted run goes on where it stopped; other checkpoints, another machine or other versions start anew. Records:
`benchmarks/results/successors/<folder>.jsonl`; reports: `runs/successors/<folder>.html`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import peers, suite
from benchmarks.peak import products, share_of_peak
from benchmarks.records import Records, parts_of
from benchmarks.targets import exported, falls_short
from theseus_plugin import api, load_recipe
from theseus_plugin.files import read_json
from theseus_plugin.measure.models import resolve
from theseus_plugin.provenance import environment
from theseus_plugin.report.markdown import markdown
from theseus_plugin.report.summary import summary_of, write_report
from theseus_plugin.report.timing import tokens

REPORTS = Path("runs/successors")
WITH_TORCH = ("32x64",)
"""Shapes that PyTorch is timed at too, as it is and compiled, which takes most of a minute a model."""
SHAPES = ("1x16", "1x64", "1x128", "8x128", "32x64")
PRECISIONS = ("fp32", "int8-dynamic", "int8-static")
IN_SHORT = {
    *("model", "runtime", "precision", "MB on disk", "peak memory, MB", "accuracy x 100"),
    *("ms, 1x16", "ms, 1x128", "ms, 32x64", "ms, end to end"),
}
"""Columns of the table in `docs/results.md`."""
README_MODELS = ("predecessor-fp32", "successor-fp32", "successor-int8-dynamic")
README_COLUMNS = IN_SHORT - {"runtime", "ms, 1x16"}


def main() -> None:
    """Measure what is asked for, then print everything that is recorded."""
    options = suite.parser("successors", __doc__)
    options.add_argument("checkpoints", nargs="*", type=Path, help="predecessor, then its successors")
    options.add_argument("--shapes", nargs="+", default=SHAPES, help="BATCHxLENGTH")
    options.add_argument("--no-optimum", action="store_true", help="without Optimum's export")
    suite.answer(options, measure, recorded, lambda: not [line for records in recorded() for line in tell(records)])


def recorded() -> list[Records]:
    """The records of each folder."""
    return parts_of("successors")


def measure(arguments: Namespace) -> None:
    """Export and measure whatever is not there yet of the checkpoints that are named."""
    checkpoints: list[Path] = arguments.checkpoints
    if not checkpoints:
        return
    records = Records(f"successors/{checkpoints[0].parent.name}")
    forget_others(records, subject(checkpoints))
    models = [str(model) for checkpoint in checkpoints for model in exports(checkpoint, not arguments.no_optimum)]
    compiled = [f"{checkpoint}@{runtime}" for checkpoint in checkpoints for runtime in ("eager", "compiled")]
    parts: dict[str, Callable[[], Any]] = {}
    for shape in arguments.shapes:
        timed = [*models, *compiled] if shape in WITH_TORCH else models
        latency = {"latency": {"shapes": [shape], "task_examples": 0}}
        parts[shape] = partial(api.bench, timed, evaluators=latency)
    texts: dict[str, dict[str, Any]] = {"latency": {"shapes": []}}
    parts["task"] = lambda: api.bench(models, evaluators=texts)
    still: dict[str, dict[str, Any]] = {"accuracy": {}, "size": {}, "memory": {}}
    parts["still"] = lambda: api.bench([*models, *map(str, checkpoints)], evaluators=still)
    parts["peak"] = lambda: _peak(checkpoints)
    parts["not-run"] = _not_run
    records.fill(parts)


def subject(checkpoints: Sequence[Path]) -> dict[str, Any]:
    """What is measured and on what: records of anything else are not of this run."""
    weights = {checkpoint.name: resolve(str(checkpoint)).sha256 for checkpoint in checkpoints}
    here = environment()
    return {"weights": weights, **{name: here[name] for name in ("cpu", "cpu_flags", "cores", "versions")}}


def forget_others(records: Records, now: Mapping[str, Any]) -> None:
    """Drop the records unless they are of the same subject, which is put among them."""
    if records.get("subject") != now:
        records.clear()
        records.put("subject", now)


def exports(checkpoint: Path, optimum: bool) -> list[Path]:
    """The checkpoint's exports, ours in each precision first; made if they are not there."""
    made = []
    for precision in PRECISIONS:
        output = checkpoint.with_name(f"{checkpoint.name}-{precision}")
        if not output.exists():
            api.export(str(checkpoint), str(output), precision=precision)
        made.append(output)
    if optimum:
        output = checkpoint.with_name(f"{checkpoint.name}-optimum-o3")
        if not output.exists():
            peers.optimum_o3(checkpoint, output)
        made.append(output)
    return made


def tell(records: Records) -> list[str]:
    """Print what is recorded of a folder, write its report, and give what falls short."""
    rows, folder = merged(records), Path(records.name).name
    REPORTS.mkdir(parents=True, exist_ok=True)
    write_report(REPORTS / f"{folder}.html", summary_of(rows), f"Successors: {folder}", records["still"]["environment"])
    lines = exported(rows, records.get("peak", {}))
    print(f"## {folder}\n\n{markdown(rows, IN_SHORT)}")  # noqa: T201
    print("\n".join(line.text for line in lines))  # noqa: T201
    return falls_short(lines)


def brief(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of the README."""
    return markdown([row for row in rows if Path(row["model"]).name in README_MODELS], README_COLUMNS)


def merged(records: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts' rows as one per model, its shapes together in the order of their tokens."""
    rows: dict[str, dict[str, Any]] = {}
    for record in records.values():
        for part in record.get("models", []):
            row = rows.setdefault(part["model"].removesuffix("@eager"), {})
            latency = {**row.get("latency", {"shapes": {}}), **part.get("latency", {})}
            latency["shapes"] = {
                **row.get("latency", {}).get("shapes", {}),
                **part.get("latency", {}).get("shapes", {}),
            }
            row.update(part)
            if latency["shapes"]:
                row["latency"] = latency
    for row in rows.values():
        if "latency" in row:
            shapes = row["latency"]["shapes"]
            row["latency"]["shapes"] = {shape: shapes[shape] for shape in sorted(shapes, key=tokens)}
    return list(rows.values())


def _not_run() -> dict[str, Any]:
    """What the matrix has no row of, because this machine has no card."""
    from onnxruntime import get_available_providers

    cards = {"CUDAExecutionProvider": "cuda", "TensorrtExecutionProvider": "tensorrt"}
    absent = [device for provider, device in cards.items() if provider not in get_available_providers()]
    precisions = ["fp16"] if "cuda" in absent else []
    return {"status": "not run", "devices": absent, "precisions": precisions, "environment": environment()}


def _peak(checkpoints: Sequence[Path]) -> dict[str, Any]:
    """The successor's fp32 export at 32x64: its products as they are, and as the checkpoint would have them."""
    from theseus_plugin.measure.inputs import Inputs

    checkpoint = checkpoints[-1]
    output = checkpoint.with_name(f"{checkpoint.name}-fp32")
    task = load_recipe({"task": read_json(output / "export.json")["task"]}).create_task()
    batch = Inputs.of(task, resolve(str(output))).batch("32x64")
    config = read_json(output / "config.json")
    done, nominal = (products(config, 32, 64, first_token) for first_token in (True, False))
    record = share_of_peak(output / "model.onnx", batch, done)
    return {**record, "nominal_share": record["share"] * nominal / done, "shape": "32x64", "model": str(output)}


if __name__ == "__main__":
    main()
