"""What do successors give once they are exported? Every checkpoint in every precision, side by side.

    python -m benchmarks.successors runs/demo/predecessor runs/demo/successor  # 20 to 35 minutes on 2 cores
    python -m benchmarks.successors --check        # the committed figures, and the targets

The first checkpoint is the predecessor. Exports go beside the checkpoints and are made once; a finished part (a shape,
the task's texts, accuracy, memory and size, the share of the machine's peak) is not measured again, so that an
interrupted run goes on where it stopped; other checkpoints, another machine or other versions start anew. Records:
`benchmarks/results/successors/<folder>/`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from theseus_plugin.report.markdown import markdown
from theseus_plugin.report.record import tokens
from theseus_plugin.report.summary import write_report

from benchmarks import peers
from benchmarks.peak import products, share_of_peak
from benchmarks.recording import write_record
from benchmarks.targets import falls_short, figures
from theseus_plugin import api, load_recipe
from theseus_plugin.files import read_json
from theseus_plugin.measure.models import resolve
from theseus_plugin.provenance import environment

RESULTS = Path(__file__).parent / "results" / "successors"
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", type=Path, help="predecessor, then its successors")
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="BATCHxLENGTH")
    parser.add_argument("--no-optimum", action="store_true", help="without Optimum's export")
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure falls short of its target")
    arguments = parser.parse_args()
    if arguments.checkpoints:
        measure(arguments.checkpoints, arguments.shapes, not arguments.no_optimum)
    short = [line for folder in sorted(RESULTS.iterdir()) for line in tell(folder)]
    if arguments.check and short:
        sys.exit(1)


def measure(checkpoints: Sequence[Path], shapes: Sequence[str], optimum: bool) -> None:
    """Export and measure whatever is not there yet."""
    home = RESULTS / checkpoints[0].parent.name
    home.mkdir(parents=True, exist_ok=True)
    forget_others(home, subject(checkpoints))
    models = [str(model) for checkpoint in checkpoints for model in exports(checkpoint, optimum)]
    compiled = [f"{checkpoint}@{runtime}" for checkpoint in checkpoints for runtime in ("eager", "compiled")]
    for shape in shapes:
        timed = [*models, *compiled] if shape in WITH_TORCH else models
        latency = {"latency": {"shapes": [shape], "task_examples": 0}}
        _part(home / f"{shape}.json", partial(api.bench, timed, evaluators=latency))
    texts: dict[str, dict[str, Any]] = {"latency": {"shapes": []}}
    _part(home / "task.json", lambda: api.bench(models, evaluators=texts))
    still: dict[str, dict[str, Any]] = {"accuracy": {}, "size": {}, "memory": {}}
    _part(home / "still.json", lambda: api.bench([*models, *map(str, checkpoints)], evaluators=still))
    _part(home / "peak.json", lambda: _peak(checkpoints))
    _part(home / "not-run.json", _not_run)


def subject(checkpoints: Sequence[Path]) -> dict[str, Any]:
    """What is measured and on what: records of anything else are not of this run."""
    weights = {checkpoint.name: resolve(str(checkpoint)).sha256 for checkpoint in checkpoints}
    here = environment()
    return {"weights": weights, **{name: here[name] for name in ("cpu", "cpu_flags", "cores", "versions")}}


def forget_others(home: Path, now: Mapping[str, Any]) -> None:
    """Drop the records in `home` unless they are of the same subject, which is put there."""
    file = home / "subject.json"
    if file.exists() and read_json(file) == now:
        return
    for old in home.glob("*.json"):
        old.unlink()
    write_record(file, now)


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


def tell(folder: Path) -> list[str]:
    """Print what is recorded in a folder, write its report, and give what falls short."""
    records = {file.stem: read_json(file) for file in sorted(folder.glob("*.json"))}
    rows = merged(records)
    write_report(folder / "report.html", rows, f"Successors: {folder.name}", records["still"]["environment"])
    lines = figures(rows, records.get("peak", {}))
    print(f"## {folder.name}\n\n{markdown(rows, IN_SHORT)}")  # noqa: T201
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


def _part(file: Path, run: Callable[[], Any]) -> None:
    if file.exists():
        return
    write_record(file, run())


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
