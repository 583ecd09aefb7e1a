"""What the suites make of their records; the records are made by hand."""

import numpy as np
import pytest

from benchmarks.peak import products
from benchmarks.successors import merged
from benchmarks.targets import falls_short, figures


def ratio(median):
    return {"median": median, "interval": [0.99 * median, 1.01 * median], "rounds": [median] * 5, "clear": True}


def row(name, times, control=1.0, lost=0.0):
    return {
        "model": name,
        "latency": {
            "shapes": {
                shape: {"median_ms": 1 / of, "times_as_fast": ratio(of), "control": ratio(control)}
                for shape, of in times.items()
            }
        },
        "accuracy": {
            "metric": "accuracy",
            "difference": {"accuracy": {"value": -lost, "interval": [-lost - 0.01, -lost + 0.01]}},
        },
    }


def rows(fp32=2.0, int8=6.0, optimum=1.9, control=1.0, lost=0.0):
    return [
        row("predecessor-fp32", {"1x16": 1.0, "32x64": 1.0}, control),
        row("successor-fp32", {"1x16": 2.1, "32x64": fp32}),
        row("successor-int8-dynamic", {"1x16": 5.0, "32x64": int8}, lost=lost),
        row("successor-optimum-o3", {"1x16": 1.8, "32x64": optimum}),
    ]


PEAK = {
    "share": 0.93,
    "interval": [0.92, 0.94],
    "peak_gflops": 190.0,
    "share_of_fastest": 0.85,
    "nominal_share": 1.3,
    "shape": "32x64",
}


def test_all_targets_reached():
    lines = figures(rows(), PEAK)
    assert len(lines) == 6
    assert falls_short(lines) == []
    assert "0.86x at 1x16, 0.95x at 32x64" in lines[0].text  # 1.8 / 2.1 and 1.9 / 2.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"optimum": 2.1}, "1.05x at 32x64; target: at most 1.00x - FALLS SHORT"),
        ({"fp32": 1.96}, "against predecessor, fp32: 2.10x"),
        ({"int8": 5.4}, "5.40x (5.35-5.45) at 32x64; target: at least 5.5x"),
        ({"lost": 0.006}, "-0.60 points of accuracy (-1.60 to +0.40)"),
        ({"control": 1.02}, "A/A control, ratio of medians: 1.020 at 1x16, 1.020 at 32x64"),
    ],
)
def test_a_target_that_is_missed(changed, said):
    short = falls_short(figures(rows(**changed), PEAK))
    assert any(said in line for line in short)
    assert len(short) == 1


def test_a_share_of_peak_that_is_missed():
    assert falls_short(figures(rows(), {**PEAK, "share": 0.91}))


def test_parts_are_merged_by_model_with_shapes_in_order():
    parts = {
        "32x64": {"models": [row("a", {"32x64": 1.0}), row("b@eager", {"32x64": 2.0})]},
        "1x16": {"models": [row("a", {"1x16": 1.0}) | {"size": {"bytes": 5}}]},
        "not-run": {"status": "not run"},
    }
    first, other = merged(parts)
    assert list(first["latency"]["shapes"]) == ["1x16", "32x64"]
    assert first["size"] == {"bytes": 5}
    assert (other["model"], list(other["latency"]["shapes"])) == ("b@eager", ["32x64"])


@pytest.mark.parametrize("first_token", [False, True])
def test_products_of_an_encoder(first_token):
    """Counted once more as the sizes of the matrices that a block multiplies."""
    width, inner, blocks, batch, length = 8, 32, 3, 2, 5
    config = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": blocks}
    expected = 0
    for block in range(blocks):
        tokens = 1 if first_token and block == blocks - 1 else length
        matrices = [(length, width, 2 * width), (tokens, width, width), (tokens, width, length)]
        matrices += [(tokens, length, width), (tokens, width, width), (tokens, width, inner), (tokens, inner, width)]
        expected += sum(2 * np.prod(sizes) for sizes in matrices)
    assert products(config, batch, length, first_token) == batch * expected
