"""Which plots are drawn of what was measured, and how models are told apart in them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from tests.report.records import latency, only, row, six, two

pytest.importorskip("matplotlib")

from theseus_plugin.report.drawing import COLOURS, INK, LINES, MARKERS, WIDTH, look, spread
from theseus_plugin.report.plots import frontier, plots, swatches
from theseus_plugin.report.record import bench_of


def drawn(records: list[dict[str, Any]]) -> list[str]:
    return plots(bench_of(records))


def captions(records: list[dict[str, Any]]) -> list[str]:
    return [re.findall("<figcaption>(.*?)</figcaption>", plot)[0].split(",")[0] for plot in drawn(records)]


def test_each_plot_comes_with_what_it_needs() -> None:
    everything = captions(two())
    assert [caption[:26] for caption in everything] == [
        "accuracy against latency o",
        "accuracy against size on d",
        "Latency by length",
        "Throughput by batch size",
        "Times as fast as the first",
    ]
    assert captions(six()) == everything
    assert captions(only(two(), "size")) == []
    assert captions(only(two(), "accuracy")) == []
    assert captions(only(two(), "accuracy", "size")) == everything[1:2]
    assert captions(only(two(), "latency")) == everything[2:]
    assert captions(two()[:1]) == everything[:4]
    assert captions([]) == []


def test_curves_want_two_points_of_one_model() -> None:
    first, second = two()
    first["latency"], second["latency"] = latency(1, {"1x16": 2.0, "8": 3.0}), latency(2, {"1x64": 5.0, "8": 3.0})
    assert "Latency by length" not in captions([first, second])
    assert "Throughput by batch size" not in captions([first, second])
    first["latency"] = latency(1, {"4": 2.0, "8": 3.0})
    assert "Throughput by batch size" in captions([first, second])
    assert "real examples" in "".join(drawn([first, second]))


def test_plots_take_the_colours_of_the_page_and_fit_a_phone() -> None:
    assert WIDTH * 96 < 390
    for plot in drawn(six()):
        assert "currentColor" in plot
        assert INK not in plot


def test_numbers_of_near_points_do_not_overlap() -> None:
    records = [row(f"m{n}", 0.8 + 0.0001 * (n % 3), 1 + 0.001 * n if n else 1, 90.9) for n in range(10)]
    records += [row(f"far{n}", 0.8, 8, 10) for n in range(3)]
    for plot in drawn(records)[:4]:
        texts = re.findall(r'<text [^>]*?x="([\d.-]+)" y="([\d.-]+)"[^>]*>(.*?)</text>', plot)[-len(records) :]
        assert sorted(int(text) for _, _, text in texts) == list(range(1, len(records) + 1))
        for (x, y, _), (a, b, _) in itertools.combinations(texts, 2):
            assert abs(float(x) - float(a)) > 8 or abs(float(y) - float(b)) > 8


def test_looks_differ_in_shape_and_not_only_in_colour() -> None:
    assert len({look(at).marker for at in range(8)}) == len({look(at).colour for at in range(8)}) == 8
    assert len(COLOURS) == len(MARKERS) == 8
    assert [look(at).line for at in range(4)] == list(LINES)
    assert len(set(swatches(6))) == 6


def test_the_frontier_leaves_out_what_another_beats() -> None:
    points = [(3.0, 80.0), (1.0, 70.0), (2.0, 70.0), (2.0, 75.0), (4.0, 80.0), (1.0, 70.0), (1.5, 60.0)]
    # by hand: (2, 70) and (1.5, 60) cost more than (1, 70) for no more, (4, 80) more than (3, 80)
    assert frontier(points) == [(1.0, 70.0), (2.0, 75.0), (3.0, 80.0)]
    assert frontier([]) == []


def test_spread_keeps_order_distance_and_limit() -> None:
    assert spread([5, 50, 52, 51], 10, 100) == [5, 50, 70, 60]
    assert spread([95, 96, 10], 10, 100) == [90, 100, 10]
