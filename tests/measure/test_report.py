import copy
import io
import json
import re
import sys

import pytest
from rich.console import Console

from tests.support_models import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.measure.bench import bench
from theseus_plugin.measure.latency import Latency, LatencyConfig
from theseus_plugin.measure.report import table, write_report
from theseus_plugin.measure.size import Size, SizeConfig
from theseus_plugin.measure.watch import Watch


def timed(median, fast):
    return {
        "median_ms": median,
        "times_as_fast": {"rounds": [fast], "median": fast, "min": fast - 0.1, "max": fast + 0.2},
        "noise": 0.031,
    }


def record(name, accuracy, shapes):
    facts = {"file": f"{name}/model.onnx", "sha256": "0123456789abcdef" * 4}
    return {
        "model": name,
        "kind": "onnx",
        "accuracy": {
            "metrics": {"accuracy": accuracy},
            "metric": "accuracy",
            "examples": 872,
            "truncated": 4,
            **facts,
        },
        "latency": {"shapes": shapes, "threads": 2, "rounds": 5, "machine": {"busy": False}, **facts},
        "size": {"bytes": 90_900_000, "parameters": 22_710_000, "blocks": 6, **facts},
    }


RECORDS = [
    record("<b>six</b> & $x$", 0.8273, {"1x16": timed(2.654, 1.0), "32x64": timed(261.4, 1.0)}),
    record("three", 0.8198, {"1x16": timed(1.172, 2.26), "32x64": timed(131.2, 1.99)}),
]
FACTS = {"cpu": "A <fast> one", "cpu_flags": ["avx512_vnni"], "versions": {"torch": "2.9"}, "gpu": None}


def page(tmp_path, records=RECORDS, title="Film & review"):
    write_report(tmp_path / "report.html", records, title, FACTS)
    return (tmp_path / "report.html").read_text()


def test_the_page_has_the_figures_and_nothing_foreign(tmp_path):
    html = page(tmp_path)
    for figure in (
        "82.73",
        "81.98",
        "2.65",
        "131",
        "1.99x",
        "1.89-2.19",
        "90.9",
        "22.71",
        "3.1 %",
        "2 threads",
    ):
        assert figure in html
    assert "0123456789ab" in html
    assert "872 validation examples, 4 of them cut" in html
    assert "A &lt;fast&gt; one" in html
    assert "avx512_vnni" in html
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\((?!#)", html)


def test_names_are_escaped(tmp_path):
    html = page(tmp_path)
    assert "<b>six" not in html
    assert "&lt;b&gt;six&lt;/b&gt; &amp; $x$" in html
    assert "<title>Film &amp; review</title>" in html


def test_plots_take_the_colour_of_the_page(tmp_path):
    pytest.importorskip("matplotlib")
    html = page(tmp_path)
    assert html.count("<svg") == 2
    assert "currentColor" in html
    assert "#010203" not in html
    assert "ms per call of 32x64" in html


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = page(tmp_path)
    assert "theseus-plugin[plot]" in html
    assert "<svg" not in html


def test_a_busy_machine_is_said_first(tmp_path):
    records = copy.deepcopy(RECORDS)
    records[0]["latency"]["machine"]["busy"] = True
    assert "not to be trusted" in page(tmp_path, records)
    assert "not to be trusted" not in page(tmp_path)


def test_partial_records_have_a_table_too(tmp_path):
    records = [{"model": "a", "kind": "torch"}, {"model": "b", "kind": "onnx", "size": RECORDS[0]["size"]}]
    html = page(tmp_path, records)
    assert "22.71" in html
    assert "<th>accuracy</th>" not in html


def test_table_in_the_terminal():
    stream = io.StringIO()
    Console(file=stream, width=200).print(
        table([RECORDS[1], record("[red]odd[/red]", 0.5, RECORDS[0]["latency"]["shapes"])])
    )
    text = stream.getvalue()
    for part in ("three", "[red]odd[/red]", "81.98", "261", "1.00x (0.90-1.20)", "ONNX Runtime"):
        assert part in text


def test_bench_merges_by_evaluator_and_is_json(models, tmp_path):
    names = [str(models / "bert-onnx"), str(models / "small")]
    quick = LatencyConfig(shapes=("1x8",), rounds=1, min_seconds=0, min_count=1, warmup_seconds=0)
    evaluators = [Accuracy(AccuracyConfig()), Latency(quick), Size(SizeConfig())]
    result = json.loads(json.dumps(bench(names, Sentences(), evaluators), allow_nan=False))
    assert [(r["model"], r["kind"]) for r in result["models"]] == [(names[0], "onnx"), (names[1], "torch")]
    for row in result["models"]:
        assert row["accuracy"]["sha256"] == row["latency"]["sha256"] == row["size"]["sha256"]
    assert result["environment"]["cpu"]
    assert result["environment"]["versions"]["onnxruntime"]
    assert "bert-onnx" in page(tmp_path, result["models"])


def test_bench_wants_models(tmp_path):
    with pytest.raises(UserError, match="no model to measure"):
        bench([], Sentences(), [])
    with pytest.raises(UserError, match="no such file or folder"):
        bench([str(tmp_path / "absent")], Sentences(), [])


def test_our_own_work_is_not_taken_for_that_of_others(monkeypatch):
    from theseus_plugin.measure import watch as machine

    seconds = {"all": 100.0, "ours": 10.0, "wall": 0.0}
    monkeypatch.setattr(machine, "_all_seconds", lambda: seconds["all"])
    monkeypatch.setattr(machine, "_our_seconds", lambda: seconds["ours"])
    monkeypatch.setattr(machine.time, "monotonic", lambda: seconds["wall"])
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    watch = Watch()
    seconds.update(all=120.0, ours=29.0, wall=10.0)
    assert watch.record()["others_cores"] == pytest.approx(0.1)
    assert watch.record()["busy"] is False
    seconds["all"] = 125.0
    assert watch.record()["busy"] is True
