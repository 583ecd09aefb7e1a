from __future__ import annotations

from theseus_plugin.report.rows import Cell, milliseconds, rows

from tests.report.records import only, row, shape, two


def by_heading(records: list) -> dict[str, list[Cell]]:
    return {figure.heading: figure.cells for figure in rows(records)}


def test_every_figure_of_a_full_record() -> None:
    found = by_heading(two())
    assert [cell.text for cell in found["model"]] == ["predecessor", "successor"]
    assert [cell.text for cell in found["runtime"]] == ["ONNX Runtime"] * 2
    assert [cell.text for cell in found["blocks"]] == ["6", "3"]
    assert [cell.text for cell in found["parameters, million"]] == ["22.71"] * 2
    assert [cell.text for cell in found["MB on disk"]] == ["90.9", "47.4"]
    assert [cell.text for cell in found["peak memory, MB"]] == ["200", "104"]
    assert [c.text for c in found["accuracy x 100"]] == ["82.73", "82.19"]
    assert found["accuracy x 100"][1].notes == ("80.3 to 84.1",)
    assert found["difference"] == [Cell("-"), Cell("-0.54", ("-1.34 to +0.26",), "-1.34 to +0.26")]
    # 261.4 ms / 2.26 = 115.7 ms, and 2.26 +- 2 %
    assert found["ms, 32x64"][1] == Cell("116", ("2.26x (2.21-2.31)",), "2.26x")
    # the control's interval is 0.988 to 1.010, and 1 / 0.988 = 1.0121
    assert found["ms, 32x64"][0].notes == ("noise ±1.2 %",)
    assert found["ms, own examples"][1].text == "2.17"  # 4.9 / 2.26
    assert found["p90 ms, own examples"][1].text == "2.38"  # 1.1 * 4.9 / 2.26
    # the tokeniser takes 0.31 ms of 4.9 / 2.26 + 0.31
    assert found["ms, end to end"][1].notes == ("2.10x (2.06-2.14)", "13 % tokeniser")
    assert found["ms to load"][0].text == "120"


def test_what_no_model_has_gives_no_row_and_what_one_lacks_a_dash() -> None:
    assert list(by_heading(only(two(), "size"))) == [
        "model",
        "runtime",
        "precision",
        "blocks",
        "parameters, million",
        "MB on disk",
    ]
    first, second = two()
    del second["memory"], second["latency"]["task"]
    first["memory"]["peak_bytes"] = None
    found = by_heading([first, second])
    assert "peak memory, MB" not in found
    assert found["ms, own examples"][1] == Cell("-")
    assert list(by_heading([{"model": "a"}])) == ["model"]


def test_no_clear_difference_is_said_beside_the_ratio() -> None:
    records = [row("a", 0.8, 1, 90), row("b", 0.8, 1.01, 90)]
    cell = by_heading(records)["ms, 1x16"][1]
    assert cell.notes == ("1.01x (0.99-1.03)", "no clear difference")
    assert cell.brief == "1.01x, unclear"


def test_without_a_control_no_noise_is_claimed() -> None:
    records = two()
    for record, times in zip(records, (1, 2), strict=True):
        record["latency"]["shapes"] = {"4": shape(3.0 / times, times, control=False)}
    first, second = by_heading(records)["ms, batch of 4"]
    assert first == Cell("3.00")
    assert second.notes == ("2.00x (1.96-2.04)",)


def test_three_digits() -> None:
    assert [milliseconds(ms) for ms in (0.0321, 4.5, 17.84, 99.96, 261.4)] == ["0.0321", "4.50", "17.8", "100", "261"]


def test_figures_of_evaluators_that_are_not_ours() -> None:
    first, second = only(two(), "size")
    first["flops"] = {"count": 1234567, "share": 0.25, "of": "text", "by_block": [1, 2], "exact": True}
    second["flops"] = {"count": 617283}
    found = by_heading([first, second])
    assert [cell.text for cell in found["flops: count"]] == ["1,234,567", "617,283"]
    assert [cell.text for cell in found["flops: share"]] == ["0.25", "-"]
    assert [heading for heading in found if heading.startswith("flops")] == [
        "flops: count",
        "flops: share",
        "flops: of",
    ]
