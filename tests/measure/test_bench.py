import json

import pytest

from tests.measure.scripted import Examples, save_onnx
from tests.toy_task import Sentences
from theseus_plugin import api
from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.measure.bench import bench, kept_in
from theseus_plugin.measure.latency import Latency, LatencyConfig
from theseus_plugin.measure.placement import Placed
from theseus_plugin.measure.size import Size, SizeConfig
from theseus_plugin.options.validation import Options
from theseus_plugin.plugins import registry
from theseus_plugin.report.summary import summary_of, write_report


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_records_are_appended(tmp_path):
    file = tmp_path / "records.jsonl"
    for number in (1, 2):
        with kept_in(file, ["m"]) as records:
            records.append({"number": number})
    assert lines(file) == [{"number": 1}, {"number": 2}]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(UserError("no such model"), "failed", "no such model"), (KeyboardInterrupt(), "cancelled", "cancelled")],
)
def test_what_ended_badly_is_recorded_too(tmp_path, error, status, said):
    file = tmp_path / "records.jsonl"
    file.write_text('{"status": "ok"}\n')
    with pytest.raises(type(error)), kept_in(file, ["a", "b"]):
        raise error
    before, after = lines(file)
    assert before == {"status": "ok"}
    assert (after["status"], after["error"]) == (status, said)
    assert after["models"] == [{"model": "a"}, {"model": "b"}]
    assert after["environment"]["versions"]["onnxruntime"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*records.jsonl: there is no folder .*no: make it first"):
        api.bench(["absent"], records=tmp_path / "no" / "records.jsonl")


class Noting(Evaluator):
    """Says what it was configured with."""

    name = "noting"
    summary = "for tests"
    Config = Placed

    def __init__(self, config):
        self.config = config

    def evaluate(self, models, task):
        return [self.config.model_dump() for _ in models]


class Still(Noting):
    name = "still"
    Config = Options


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The record of `bench` on one model, by two evaluators, with the options given."""
    model = str(save_onnx(tmp_path / "model"))
    monkeypatch.setattr(registry, "load", lambda kind, name: {"noting": Noting, "still": Still}[name])
    monkeypatch.setattr(api, "_task", lambda *given: Examples())
    return lambda options, **shared: api.bench([model], evaluators=options, **shared)["models"][0]


def test_shared_options_reach_every_evaluator_that_has_them(measured):
    row = measured({"noting": {}, "still": {}}, device="cuda", threads=3, force=True)
    assert row["noting"] == {"device": "cuda", "threads": 3, "force": True}
    assert row["still"] == {}


def test_an_evaluators_own_option_goes_first(measured):
    assert measured({"noting": {"threads": 1}}, threads=3)["noting"]["threads"] == 1


def test_what_a_row_says_of_its_model(measured):
    row = measured({"still": {}})
    assert (row["runtime"], row["precision"]) == ("onnxruntime", "fp32")


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
    write_report(tmp_path / "report.html", summary_of(result["models"]), "Two models", result["environment"])
    assert "bert-onnx" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_bench_wants_models(tmp_path):
    with pytest.raises(UserError, match="no model to measure"):
        bench([], Sentences(), [])
    with pytest.raises(UserError, match="no such file or folder"):
        bench([str(tmp_path / "absent")], Sentences(), [])
