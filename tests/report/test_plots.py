from __future__ import annotations

import itertools
import re

import pytest

from tests.report.records import latency, only, row, six, two

pytest.importorskip("matplotlib")

from theseus_plugin.report.drawing import COLOURS, LINES, MARKERS, look, spread
from theseus_plugin.report.pareto import frontier
from theseus_plugin.report.plots import plots, swatches


def captions(records: list) -> list[str]:
    return [re.findall("<figcaption>(.*?)</figcaption>", figure)[0].split(",")[0] for figure in plots(records)]


def test_each_plot_comes_with_what_it_needs() -> None:
    everything = [
        "accuracy against latency on the task&#x27;s own examples",
        "accuracy against size on disk. Whiskers: 95 % interval. Line: no model is better in both. "
        "Dotted: 99 % of the first model&#x27;s accuracy.",
        "Latency by length",
        "Throughput by batch size",
        "Times as fast as the first model",
    ]
    assert captions(two()) == everything
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
    assert "real examples" in "".join(plots([first, second]))


def test_plots_take_the_colours_of_the_page_and_are_as_wide_as_a_phone() -> None:
    for figure in plots(six()):
        assert "currentColor" in figure
        assert "#010203" not in figure
        width = float(re.findall(r'viewBox="0 0 ([\d.]+) ', figure)[0])
        assert width * 96 / 72 < 390
        assert min(float(size) for size in re.findall(r"font-size: ([\d.]+)px", figure)) * 96 / 72 >= 11


def numbers(svg: str, count: int) -> list[tuple[str, float, float]]:
    """The last texts of a drawing, which are the numbers of models, and where they stand."""
    texts = re.findall(r'<text [^>]*?x="([\d.-]+)" y="([\d.-]+)"[^>]*>(.*?)</text>', svg)
    return [(text, float(x), float(y)) for x, y, text in texts[-count:]]


def test_numbers_of_near_points_do_not_overlap() -> None:
    records = [row(f"m{n}", 0.8 + 0.0001 * (n % 3), 1 + 0.001 * n if n else 1, 90.9) for n in range(10)]
    records += [row(f"far{n}", 0.8, 8, 10) for n in range(3)]
    for figure in plots(records)[:4]:
        found = numbers(figure, 13)
        assert sorted(int(text) for text, _, _ in found) == list(range(1, 14))
        for (_, x, y), (_, a, b) in itertools.combinations(found, 2):
            assert abs(x - a) > 8 or abs(y - b) > 8


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
