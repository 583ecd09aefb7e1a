"""The table: what has a row, and what stands in its cells. A whole one stands on the golden page."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from tests.report.records import only, row, shape, six, two
from theseus_plugin.report.markdown import markdown
from theseus_plugin.report.record import bench_of
from theseus_plugin.report.table import Cell, milliseconds, rows, terminal_table


def by_heading(records: list[dict[str, Any]]) -> dict[str, list[Cell]]:
    return {row.heading: row.cells for row in rows(bench_of(records))}


def test_cells_by_hand() -> None:
    found = by_heading(two())
    assert [cell.text for cell in found["peak memory, MB"]] == ["200", "104"]  # 2.2 * 90.9 and 2.2 * 47.4
    assert found["accuracy x 100"][1] == Cell("82.19", ("80.3 to 84.1",), "80.3 to 84.1")
    assert found["difference"] == [Cell("-"), Cell("-0.54", ("-1.34 to +0.26",), "-1.34 to +0.26")]
    # 261.4 ms / 2.26 = 115.7 ms, and 2.26 +- 2 %
    assert found["ms, 32x64"][1] == Cell("116", ("2.26x (2.21-2.31)",), "2.26x")
    # the control's interval is 0.988 to 1.010, and 1 / 0.988 = 1.0121
    assert found["ms, 32x64"][0].notes == ("noise ±1.2 %",)
    assert found["ms, own examples"][1].text == "2.17"  # 4.9 / 2.26
    assert found["p90 ms, own examples"][1].text == "2.38"  # 1.1 * 4.9 / 2.26
    # the tokeniser takes 0.31 ms of 4.9 / 2.26 + 0.31
    assert found["ms, end to end"][1].notes == ("2.10x (2.06-2.14)", "13 % tokeniser")


def test_what_no_model_has_gives_no_row_and_what_one_lacks_a_dash() -> None:
    of_sizes = ["model", "runtime", "precision", "blocks", "parameters, million", "MB on disk"]
    assert list(by_heading(only(two(), "size"))) == of_sizes
    first, second = two()
    del second["memory"], second["latency"]["task"]
    first["memory"]["peak_bytes"] = None
    found = by_heading([first, second])
    assert "peak memory, MB" not in found
    assert found["ms, own examples"][1] == Cell("-")
    assert list(by_heading([{"model": "a"}])) == ["model"]


def test_without_a_control_no_noise_is_claimed() -> None:
    records = two()
    for record, times in zip(records, (1, 2), strict=True):
        record["latency"]["shapes"] = {"4": shape(3.0 / times, times, control=False)}
    first, second = by_heading(records)["ms, batch of 4"]
    assert first == Cell("3.00")
    assert second.notes == ("2.00x (1.96-2.04)",)


def test_three_digits() -> None:
    assert [milliseconds(ms) for ms in (0.0321, 4.5, 17.84, 99.96, 261.4)] == ["0.0321", "4.50", "17.8", "100", "261"]


def shown(records: list[dict[str, Any]], width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(terminal_table(rows(bench_of(records)), ["Beware."]))
    return stream.getvalue()


def test_many_models_in_the_terminal_go_without_intervals_of_ratios() -> None:
    assert "2.26x (2.21-2.31)" in shown(two(), width=120)
    text = shown(six(), width=120)
    assert "Beware." in text
    assert "4.20x" in text
    assert "4.20x (" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_names_cannot_break_a_table() -> None:
    text = markdown([row("a|b*c*<d>", 0.8, 1, 90), row("e\nf", 0.8, 2, 90)])
    assert r"a\|b\*c\*\<d\>" in text
    assert "| e f |" in text
    assert {line.replace(r"\|", "").count("|") for line in text.splitlines()} == {text.splitlines()[1].count("|")}
    text = shown([row("<b>first", 0.8, 1, 90), row("[red]odd[/red]", 0.5, 2, 47)], width=200)
    assert "<b>first" in text
    assert "[red]odd[/red]" in text
