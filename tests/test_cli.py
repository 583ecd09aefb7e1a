"""The command line as users meet it: exit status, one line per mistake, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.commands import COMMAND, Run, refused
from tests.patience import finished
from tests.tiny import save_tiny
from theseus_plugin import bench


def nothing_written(recipe: dict[str, Any]) -> None:
    successor = Path(recipe["successor"])
    assert not successor.exists()
    assert not [path for path in successor.parent.iterdir() if "partial" in path.name]


def modules_imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys, contextlib, io\n"
        f"sys.argv = ['theseus-plugin', *{list(arguments)!r}]\n"
        "from theseus_plugin.cli import main\n"
        "try:\n"
        "    with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("arguments", [("--help",), ("plugins",), ("plugins", "--json"), ("compress", "--help")])
def test_looking_around_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    imported = modules_imported_by(*arguments)
    assert "theseus_plugin.cli" in imported
    assert not imported & {
        "torch",
        "transformers",
        "datasets",
        "onnxruntime",
        "numpy",
        "theseus_plugin.methods.replacing.method",
    }


def test_plugins_lists_all_of_ours() -> None:
    process = subprocess.run([COMMAND, "plugins", "--json", "--check"], capture_output=True, text=True, check=True)
    rows = json.loads(process.stdout)
    assert {(row["kind"], row["name"]) for row in rows if row["distribution"] == "theseus-plugin"} >= {
        ("method", "theseus"), ("task", "text-classification"), ("task", "text-regression"),
        ("evaluator", "latency"), ("evaluator", "size"), ("evaluator", "accuracy"),
    }  # fmt: skip


def measured(models: list[str], out: str) -> None:
    """Accuracy and size of models as JSON in a file."""
    Path(out).write_text(json.dumps(bench(models, evaluators={"accuracy": {}, "size": {}})))


def test_fit_compress_export_bench(run: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    """The whole way, each command on what the one before wrote, the first as users type it."""
    recipe["predecessor"] = str(tmp_path / "fitted")
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    fitted = finished([COMMAND, "fit", str(tmp_path / "recipe.yaml"), "--json"])
    assert fitted.returncode == 0, fitted.stderr
    assert json.loads(fitted.stdout) == json.loads((tmp_path / "fitted" / "result.json").read_text())
    assert json.loads(fitted.stdout)["before"] == {}

    compressed = run("compress", "--set", "method.training.epochs=1")
    assert compressed.returncode == 0, compressed.stderr
    assert "successor: accuracy" in compressed.stdout
    assert "step 6/12" in compressed.stderr

    onnx = []
    for checkpoint in ("fitted", "successor"):
        out = str(tmp_path / f"{checkpoint}-onnx")
        warm.right(warm.command("export", str(tmp_path / checkpoint), out))
        onnx.append(out)
    warm.right(warm.called(measured, onnx, str(tmp_path / "measured.json")))
    models = json.loads((tmp_path / "measured.json").read_text())["models"]
    for model, checkpoint in zip(models, ("fitted", "successor"), strict=True):
        told = json.loads((tmp_path / checkpoint / "result.json").read_text())["after"]
        assert model["accuracy"]["metrics"] == pytest.approx(told)
    assert [model["size"]["blocks"] for model in models] == [6, 3]


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['olive'] = None\n"  # what Python does to forbid an import
        f"sys.argv = ['theseus-plugin', 'olive-config', {str(tmp_path / 'merged.json')!r}]\n"
        "from theseus_plugin.cli import main\n"
        "main()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    refused(process, "Olive cannot be imported", "pip install 'theseus-plugin[olive]'")
    assert not list(tmp_path.iterdir())


def test_missing_file(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["task"] = recipe["task"] | {"train": "/no/such/train.csv"}
    refused(run_here("compress"), "/no/such/train.csv", "no such file")
    nothing_written(recipe)


def test_missing_column(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["task"] = recipe["task"] | {"label": "lable"}
    refused(run_here("compress"), "train.csv", "'lable'", "did you mean 'label'?")
    nothing_written(recipe)


def test_label_out_of_range(run_here: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\ngood film,1\nbad film,0\nodd film,7\n")
    recipe["task"] = recipe["task"] | {"validation": str(bad)}
    refused(run_here("compress"), "bad.csv", "row 3", "7")
    nothing_written(recipe)


def test_unknown_key(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["method"]["sucessor_blocks"] = recipe["method"].pop("successor_blocks")
    refused(run_here("compress"), "unknown key 'method.sucessor_blocks': did you mean 'successor_blocks'?")
    nothing_written(recipe)


def test_a_depth_that_does_not_divide(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["method"]["successor_blocks"] = 4
    refused(run_here("compress"), "6 predecessor blocks do not divide into 4 modules", "partition: [2, 2, 1, 1]")
    nothing_written(recipe)


def test_a_predecessor_that_is_no_classifier(run_here: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["predecessor"] = str(save_tiny(tmp_path / "encoder", head=False))
    refused(run_here("compress"), "encoder", "its head has no weights", "theseus-plugin fit")
    nothing_written(recipe)


def test_an_architecture_we_do_not_know(run_here: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["predecessor"] = str(save_tiny(tmp_path / "albert", "albert", embedding_size=16))
    refused(run_here("compress"), "architecture 'albert' cannot be compressed", "share one set of weights")
    nothing_written(recipe)


def test_an_existing_output(run_here: Run, recipe: dict[str, Any]) -> None:
    output = Path(recipe["successor"])
    output.mkdir()
    (output / "mine.txt").write_text("keep me")
    refused(run_here("compress"), str(output), "exists already")
    assert [path.name for path in output.iterdir()] == ["mine.txt"]


def test_a_corrupt_safetensors_file(run_here: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["predecessor"] = str(save_tiny(tmp_path / "cut"))
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    refused(run_here("compress"), "cut", "corrupt safetensors file")
    nothing_written(recipe)


def test_no_space_left_while_saving(run: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # Large enough for config and tokenizer, too small for the weights.
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        recipe["successor"] = str(disk / "successor")
        refused(run("compress"), f"cannot write {disk}/successor", "No space left on device", "nothing was kept")
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_training_that_diverges(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["method"]["training"] = recipe["method"]["training"] | {"learning_rate": 1e30, "max_grad_norm": None}
    refused(run_here("compress"), "the loss became nan at step", "lower learning_rate")
    nothing_written(recipe)


def test_an_unknown_tracker(run_here: Run, recipe: dict[str, Any]) -> None:
    recipe["method"]["training"] = recipe["method"]["training"] | {"trackers": ["tensorbord"]}
    refused(run_here("compress"), "unknown tracker 'tensorbord': did you mean 'tensorboard'?")


def test_a_tracker_gets_the_figures(run_here: Run, recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["method"]["training"] = recipe["method"]["training"] | {
        "trackers": ["tensorboard"], "tracker_folder": str(tmp_path / "logs"),
    }  # fmt: skip
    process = run_here("compress")
    assert process.returncode == 0, process.stderr
    events = b"".join(path.read_bytes() for path in (tmp_path / "logs").rglob("events*"))
    assert all(tag in events for tag in (b"validation/accuracy", b"learning_rate", b"loss"))
