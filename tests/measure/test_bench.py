import json

import pytest
from theseus_plugin.measure.placement import Placed
from theseus_plugin.options.validation import Options
from theseus_plugin.plugins import registry

from tests.measure.scripted import Examples, save_onnx
from theseus_plugin import api
from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError
from theseus_plugin.measure.bench import kept_in


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
