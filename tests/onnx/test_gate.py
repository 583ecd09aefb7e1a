"""A gate over files whose metric is scripted by the nodes that were lowered."""

import json

import numpy as np
import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.finite import NotFinite
from theseus_plugin.metric_scale import Scale
from theseus_plugin.onnx.gate import Gate

COSTS = {"a": 0.001, "b": 0.03, "c": 0.0, "d": 0.004, "e": 0.002}
"""What each node costs of the metric when it is lowered."""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "source").write_text("[]")
    return tmp_path / "source", tmp_path / "target"


def gate(max_drop, costs=COSTS, sensitive=COSTS):
    def lower(source, target, nodes):
        assert source.read_text() == "[]"
        target.write_text(json.dumps(sorted(nodes)))

    def score(file):
        lowered = json.loads(file.read_text())
        if any(costs[name] is None for name in lowered):
            raise NotFinite("m in int8-dynamic: its logits are not finite")
        return 0.9 - sum(costs[name] for name in lowered)

    def logits(file):
        return np.array([[sum(sensitive[name] for name in json.loads(file.read_text()))]], dtype=float)

    return Gate("int8-dynamic", lower, score, logits, max_drop, Scale("accuracy", lower_is_better=False))


def test_all_nodes_if_they_pass(files):
    record = gate(max_drop=3.8).apply(*files, list(COSTS))
    assert json.loads(files[1].read_text()) == list("abcde")
    assert record == {"before": 0.9, "after": pytest.approx(0.863), "drop": pytest.approx(3.7), "max_drop": 3.8} | {
        "left_out": []
    }


@pytest.mark.parametrize(("max_drop", "spared"), [(0.75, ["b"]), (0.31, ["b", "d"])])
def test_the_most_sensitive_are_spared_as_far_as_needed(files, max_drop, spared):
    record = gate(max_drop).apply(*files, list(COSTS))
    assert record["left_out"] == spared
    assert json.loads(files[1].read_text()) == [name for name in COSTS if name not in spared]
    assert record["drop"] == pytest.approx(100 * sum(cost for name, cost in COSTS.items() if name not in spared))


def test_refused_in_words_with_nothing_left(files):
    with pytest.raises(UserError, match=r"costs 3\.70 points .*allowed: 0\.1\), 0\.30 with the 2 most sensitive"):
        gate(0.1).apply(*files, list(COSTS))
    assert not files[1].exists()


def test_a_gain_passes(files):
    assert gate(0, costs=dict.fromkeys(COSTS, -0.01)).apply(*files, list(COSTS))["drop"] == pytest.approx(-5)


def test_a_single_node_cannot_be_spared(files):
    with pytest.raises(UserError, match=r"costs 3\.00 points"):
        gate(0.5).apply(*files, ["b"])


def test_nodes_that_the_user_leaves_out(files):
    record = gate(0.8).apply(*files, list(COSTS), ["b", "c"])
    assert record["left_out"] == ["b", "c"]
    assert json.loads(files[1].read_text()) == ["a", "d", "e"]


def test_a_node_that_is_none(files):
    with pytest.raises(UserError, match="no node 'aa' that int8-dynamic changes: did you mean 'a'"):
        gate(1).apply(*files, list(COSTS), ["aa"])


def test_no_node_at_all(files):
    with pytest.raises(UserError, match="finds no node to change"):
        gate(1).apply(*files, [])


def test_nodes_that_overflow_are_spared(files):
    """They move the logits by what is no number, which is farther than any."""
    record = gate(0.8, costs=COSTS | {"c": None}, sensitive=COSTS | {"c": np.nan}).apply(*files, list(COSTS))
    assert record["left_out"] == ["b", "c"]


def test_logits_that_are_not_finite_in_any_case_are_told(files):
    some = dict.fromkeys("abc") | {"d": 0, "e": 0}
    with pytest.raises(
        UserError, match=r"^m in int8-dynamic: its logits are not finite, also with the 2 most sensitive"
    ):
        gate(0.8, costs=some).apply(*files, list(COSTS))
    assert not files[1].exists()
    with pytest.raises(UserError, match=r"gives logits that are not finite \(allowed: 0\.1\), 0\.30 with the 2 most"):
        gate(0.1, costs=COSTS | {"d": None, "b": 0.023}, sensitive=COSTS | {"d": np.inf}).apply(*files, list(COSTS))
