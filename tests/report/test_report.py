import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from rich.console import Console
from theseus_plugin.measure.machine import Watch
from theseus_plugin.report.recommend import recommendation
from theseus_plugin.report.summary import table, write_report

from tests.report import records as made
from tests.report.records import SHA, only, six, two
from tests.support_models import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.measure.bench import bench
from theseus_plugin.measure.latency import Latency, LatencyConfig
from theseus_plugin.measure.size import Size, SizeConfig

FACTS = {"cpu": "A <fast> one", "cpu_flags": ["avx512_vnni"], "versions": {"torch": "2.9"}, "gpu": None}
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Checked(HTMLParser):
    """Fails on a tag that is not closed in its place; keeps ids and the text of cells."""

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(tmp_path, records=None, title="Film & review"):
    write_report(tmp_path / "report.html", two() if records is None else records, title, FACTS)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "records",
    [two(), six(), only(two(), "size"), only(six(), "accuracy"), only(two(), "latency"), only(two()), two()[:1], []],
    ids=["two", "six", "size", "accuracy", "latency", "nothing", "one", "none"],
)
def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path, records):
    html = page(tmp_path, records)
    checked = Checked(html)
    assert len(checked.ids) == len(set(checked.ids))
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|src=", html)
    targets = re.findall(r'url\((.*?)\)|href="(.*?)"', html)
    assert {"".join(target).removeprefix("#") for target in targets} <= set(checked.ids)
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ET.fromstring(svg)


def test_the_order_of_the_page(tmp_path):
    records = two()
    records[0]["latency"]["machine"]["busy"] = True
    html = page(tmp_path, records)
    sentence = recommendation(records)
    assert sentence is not None
    parts = (
        "<h1>Film &amp; review</h1>",
        sentence.split(":")[0],
        "not to be trusted",
        "<table>",
        "How it was measured",
        "Files measured",
        "Machine and versions",
    )
    places = [html.index(part) for part in parts]
    assert places == sorted(places)


def test_the_page_says_how_it_was_measured(tmp_path):
    text = " ".join("".join(Checked(page(tmp_path)).text).split())
    for part in (
        "on cpu, 2 threads of 2 cores, threads that wait sleep (spinning off), 3 rounds, one process per model and",
        "unpadded",
        "1556 validation examples, 4 of them cut to the maximal length, from the very file that was timed",
        "256 of the task's, one at a time, 5 to 60 tokens, median 28",
        "Peak memory at 32x64",
        "an A/A control",
        f"runs/demo/predecessor/model.onnx, sha256 {SHA}",
        "A <fast> one",
        "avx512_vnni",
        "gpu unknown".replace(" ", ""),
    ):
        assert part.replace(" ", "") in text.replace(" ", ""), part
    assert "padded;" not in text.replace("unpadded;", "")


def test_padded_batches_and_examples_without_tokens_are_said(tmp_path):
    records = two()
    for record in records:
        record["latency"]["shapes"] = {"8": record["latency"]["shapes"]["32x64"]}
        del record["latency"]["task"]["lengths"], record["latency"]["end_to_end"]
    html = page(tmp_path, records)
    assert "or by batch of real examples, padded" in html
    assert "ms, batch of 8" in html
    assert "one at a time." in html
    assert "End to end" not in html


def test_names_are_escaped(tmp_path):
    records = [made.row("<b>six<i> & $x$", 0.8, 1, 90), made.row("[red]th|ree", 0.8, 2, 45)]
    html = page(tmp_path, records)
    assert "<b>six" not in html
    assert "&lt;b&gt;six&lt;i&gt; &amp; $x$" in html
    assert "<title>Film &amp; review</title>" in html


def test_a_busy_machine_is_said(tmp_path):
    records = two()
    assert "not to be trusted" not in page(tmp_path, records)
    records[1]["latency"]["machine"]["busy"] = True
    assert "not to be trusted" in page(tmp_path, records)
    assert "not to be trusted" in shown(records)


def test_unlike_conditions_and_changed_files_are_said(tmp_path):
    records = two()
    assert 'class="note"' not in page(tmp_path, records)
    records[1]["latency"]["device"] = "cuda"
    assert "successor was not measured like the first model" in page(tmp_path, records)
    records[0]["size"]["sha256"] = "f" * 64
    assert "predecessor: the file changed between the measurements" in page(tmp_path, records)


def test_a_failed_model_is_shown_as_such(tmp_path):
    records = [*two(), {"model": "runs/demo/broken", "status": "failed", "error": "it <broke>"}]
    html = page(tmp_path, records)
    Checked(html)
    assert "failed<small>it &lt;broke&gt;</small>" in html
    records = [{"model": "runs/demo/broken", "status": "failed", "error": "it broke"}, *two()]
    Checked(page(tmp_path, records))


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = page(tmp_path)
    Checked(html)
    assert "theseus-plugin[plot]" in html
    assert "<svg" not in html


def test_rendering_needs_neither_torch_nor_transformers(tmp_path):
    code = (
        "import json, sys\n"
        "from theseus_plugin.report.summary import table, write_report\n"
        "records = json.load(open(sys.argv[1]))\n"
        "write_report(sys.argv[2], records, 't', {})\n"
        "table(records)\n"
        "assert not {'torch', 'transformers', 'onnxruntime'} & set(sys.modules)\n"
    )
    (tmp_path / "records.json").write_text(json.dumps(six(), allow_nan=False))
    subprocess.run([sys.executable, "-c", code, tmp_path / "records.json", tmp_path / "out.html"], check=True)
    assert (tmp_path / "out.html").stat().st_size > 10_000


def shown(records, width=200):
    stream = io.StringIO()
    Console(file=stream, width=width).print(table(records))
    return stream.getvalue()


def test_table_in_the_terminal():
    records = [made.row("<b>first", 0.8273, 1, 90.9), made.row("[red]odd[/red]", 0.5, 1.005, 47.4)]
    text = shown(records)
    for part in ("<b>first", "[red]odd[/red]", "82.73", "261", "1.00x (0.98-1.03)", "no clear difference", "noise"):
        assert part in text


def test_many_models_in_the_terminal_go_without_intervals_of_ratios():
    text = shown(six(), width=120)
    assert "4.20x" in text
    assert "4.20x (" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_bench_merges_by_evaluator_and_is_json(models, tmp_path):
    names = [str(models / "bert-onnx"), str(models / "small")]
    quick = LatencyConfig(
        shapes=("1x8",), rounds=1, runs=1, max_runs=1, min_seconds=0, min_count=1, warmup_seconds=0, task_examples=0
    )
    evaluators = [Accuracy(AccuracyConfig()), Latency(quick), Size(SizeConfig())]
    result = json.loads(json.dumps(bench(names, Sentences(), evaluators), allow_nan=False))
    expected = [(names[0], "onnxruntime", "fp32"), (names[1], "torch-eager", "fp32")]
    assert [(r["model"], r["runtime"], r["precision"]) for r in result["models"]] == expected
    assert result["status"] == "ok"
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
    from theseus_plugin.measure import machine as machine

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
