"""The plots of a report, as HTML figures with SVG in them."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.report.curves import batches, lengths
from theseus_plugin.report.drawing import STYLE, swatch
from theseus_plugin.report.pareto import metric_and_bytes, metric_and_latency
from theseus_plugin.report.record import Record
from theseus_plugin.report.speedups import speedups

PLOTS = (metric_and_latency, metric_and_bytes, lengths, batches, speedups)


def plots(records: Sequence[Record]) -> list[str]:
    """Metric against latency and bytes, curves over length and batch, and ratios to the first model.

    Each only if the records have what it needs.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return [figure for figure in (plot(records) for plot in PLOTS) if figure]


def swatches(count: int) -> list[str]:
    """The look of each model in the plots.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return [swatch(at) for at in range(count)]
