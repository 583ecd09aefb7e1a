from __future__ import annotations

from theseus_plugin.report.markdown import markdown

from tests.report.records import only, row, two


def test_a_row_per_model() -> None:
    assert markdown(only(two(), "size", "accuracy")) == (
        "| model | runtime | precision | blocks | parameters, million | MB on disk | accuracy x 100 | difference |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| predecessor | ONNX Runtime | fp32 | 6 | 22.71 | 90.9 | 82.73 (80.8 to 84.6) | - |\n"
        "| successor | ONNX Runtime | fp32 | 3 | 22.71 | 47.4 | 82.19 (80.3 to 84.1) | -0.54 (-1.34 to +0.26) |\n"
    )


def test_times_carry_their_ratio() -> None:
    lines = markdown(two()).splitlines()
    column = lines[0].split(" | ").index("ms, 32x64")
    assert lines[3].split(" | ")[column] == "116 (2.26x)"


def test_names_cannot_break_the_table() -> None:
    text = markdown([row("a|b*c*<d>", 0.8, 1, 90), row("e\nf", 0.8, 2, 90)])
    assert r"a\|b\*c\*\<d\>" in text
    assert "| e f |" in text
    assert {line.replace(r"\|", "").count("|") for line in text.splitlines()} == {text.splitlines()[1].count("|")}
