"""What replacing each module alone costs (the paper's ablation), drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theseus_plugin.metric_scale import Scale

FILE = "module-costs.svg"


def draw_costs(rows: Sequence[Mapping[str, Any]], scale: Scale, file: Path) -> None:
    """A bar for each module: how much of the metric is lost when it alone is replaced.

    Args:
        rows: of the run's record: `module` and metrics, first of the predecessor with nothing replaced.
        scale: of the metric to draw.
        file: SVG to write.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.figure import Figure

    before, *modules = rows
    lost = [scale.lost(before[scale.name], row[scale.name]) for row in modules]
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "theseus"}):
        figure = Figure(figsize=(4.5, 0.8 + 0.3 * len(modules)), layout="constrained")
        axes = figure.add_subplot()
        bars = axes.barh([row["module"] for row in modules], lost, color="#4579b2")
        axes.bar_label(bars, fmt="%+.2f", padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_xlabel(f"{scale.unit} of {scale.name} lost when only this module is replaced")
        axes.set_ylabel("predecessor's")
        figure.savefig(file, metadata={"Date": None})
