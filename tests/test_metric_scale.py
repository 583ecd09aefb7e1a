"""Metrics of which less is better, wherever values are compared or shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.records import row
from theseus_plugin.errors import UserError
from theseus_plugin.metric_scale import Scale, scale
from theseus_plugin.onnx.gate import Gate
from theseus_plugin.report.plots import frontier, metric_and_bytes
from theseus_plugin.report.recommend import recommendation
from theseus_plugin.report.record import Bench, bench_of
from theseus_plugin.report.sentences import findings
from theseus_plugin.report.table import rows

SHARE, PERPLEXITY = Scale("f1", lower_is_better=False), Scale("perplexity", lower_is_better=True)


def test_how_values_are_shown() -> None:
    assert (SHARE.heading, SHARE.text(0.8125)) == ("f1 x 100", "81.25")
    assert (PERPLEXITY.heading, PERPLEXITY.text(8.125, ".1f")) == ("perplexity", "8.1")


def test_what_is_lost_and_kept() -> None:
    assert SHARE.lost(0.8, 0.76) == pytest.approx(4)
    assert PERPLEXITY.lost(8, 8.4) == pytest.approx(5)
    assert SHARE.kept(0.8, 0.76) == pytest.approx(0.95)
    assert PERPLEXITY.kept(8, 10) == pytest.approx(0.8)
    assert SHARE.kept(0, 0.5) is None
    for one in (SHARE, PERPLEXITY):
        assert one.kept(8, one.floor(8, 0.95)) == pytest.approx(0.95)


def test_records_without_the_list_are_of_shares() -> None:
    assert not scale({}, "accuracy").lower_is_better
    assert scale({"lower_is_better": ["perplexity"]}, "perplexity").lower_is_better


def perplexities(*values: float) -> Bench:
    """Models of these perplexities, each twice as fast and half as large as the one before."""
    records = []
    for at, value in enumerate(values):
        record = row("abc"[at], value, 2**at, 80 / 2**at, first=values[0])
        apart = value - values[0]
        record["accuracy"] |= {
            "metric": "perplexity",
            "lower_is_better": ["perplexity"],
            "metrics": {"perplexity": value},
            "intervals": {"perplexity": [value - 0.5, value + 0.5]},
            "difference": {"perplexity": {"value": apart, "interval": [apart - 0.1, apart + 0.1]}},
        }
        records.append(record)
    return bench_of(records)


def test_findings_say_more_or_less() -> None:
    one, other = findings(perplexities(8.0, 8.4, 7.6))
    assert one.startswith(
        "b against a: perplexity 8.40 after 8.00, 5.0 % more (difference +0.40, 95 % interval +0.30 to +0.50);"
    )
    assert other.startswith("c against a: perplexity 7.60 after 8.00, 5.0 % less")


def test_the_one_with_less_is_deployed() -> None:
    assert str(recommendation(perplexities(8.0, 8.05, 12.0))).startswith("Deploy b instead of a: perplexity 8.05")
    assert "do not prove that 99 % are kept" in str(recommendation(perplexities(8.0, 8.05)))  # up to 8.15, 8.08 allowed
    assert "do not prove" not in str(recommendation(perplexities(8.0, 7.9)))
    stay = str(recommendation(perplexities(8.0, 9.0, 12.0)))
    assert stay.startswith("Stay with a: no other model keeps 99 % of its perplexity; b came closest")


def test_the_table_shows_it_as_it_is() -> None:
    found = {row.heading: row.cells for row in rows(perplexities(8.0, 8.4))}
    assert [cell.text for cell in found["perplexity"]] == ["8.00", "8.40"]
    assert found["perplexity"][1].notes == ("7.9 to 8.9",)
    assert found["difference"][1].text == "+0.40"


def test_the_frontier_goes_down() -> None:
    points = [(1.0, 9.0), (2.0, 8.0), (2.0, 7.0), (3.0, 7.5), (4.0, 6.0)]
    assert frontier(points, lower_is_better=True) == [(1.0, 9.0), (2.0, 7.0), (4.0, 6.0)]
    pytest.importorskip("matplotlib")
    assert "down is better" in str(metric_and_bytes(perplexities(8.0, 8.4)))


def test_the_gate_counts_per_cent(tmp_path: Path) -> None:
    """Each node in 8 bits adds 0.2 to a perplexity of 10: two per cent of it."""

    def lower(source: Path, target: Path, nodes: Any) -> None:
        target.write_text(json.dumps(list(nodes)))

    def gate(max_drop: float) -> Gate:
        def count(file: Path) -> int:
            return len(json.loads(file.read_text()))

        return Gate("int8-dynamic", lower, lambda file: 10 + 0.2 * count(file), lambda _: 0.0, max_drop, PERPLEXITY)  # type: ignore[arg-type,return-value]

    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("[]")
    record = gate(max_drop=6.5).apply(source, target, list("abcd"))
    assert record["drop"] == pytest.approx(6)
    assert len(record["left_out"]) == 1
    with pytest.raises(UserError, match=r"costs 8\.00 per cent of the metric \(allowed: 1\)"):
        gate(max_drop=1).apply(source, target, list("abcd"))
