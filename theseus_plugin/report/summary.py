"""All that is said of a bench, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from theseus_plugin.files import write_file
from theseus_plugin.report import page
from theseus_plugin.report.recommend import recommendation
from theseus_plugin.report.record import Bench, Model, Record, bench_of
from theseus_plugin.report.sentences import findings, how, warnings
from theseus_plugin.report.table import Row, rows


@dataclass(frozen=True)
class Summary:
    """A bench, its table, and what there is to say of it."""

    bench: Bench
    rows: Sequence[Row]
    warnings: Sequence[str]
    findings: Sequence[str]
    how: Sequence[str]
    recommendation: str | None


def summary_of(records: Sequence[Record]) -> Summary:
    """Of the `models` that `bench` gives."""
    bench = bench_of(records)
    return Summary(bench, rows(bench), warnings(bench), findings(bench), how(bench), recommendation(bench))


def write_report(path: str | Path, summary: Summary, title: str, facts: Mapping[str, Any]) -> None:
    """Write one HTML file that needs nothing else.

    Args:
        path: the file to write.
        summary: what was measured.
        title: heading of the page.
        facts: what holds for all models, such as the `environment` that `bench` gives; shown as a list.

    Raises:
        UserError: the disk was full or refused the write.
    """
    plots, files = _plots(summary.bench), _files(summary.bench.models)
    content = [
        page.paragraph(summary.recommendation or "", "good"),
        *(page.paragraph(line, "note") for line in summary.warnings),
        page.section("Figures", page.table(summary.rows)),
        page.section("Plots", plots),
        page.section("Each model against the first", page.points(summary.findings)),
        page.section("How it was measured", page.points(summary.how)),
        page.section("Files measured", page.facts(files)),
        page.section("Machine and versions", page.facts([(k.replace("_", " "), v) for k, v in facts.items()])),
    ]
    write_file(path, page.page(title, content))


def _plots(bench: Bench) -> str:
    from theseus_plugin.report.plots import plots, swatches

    try:
        drawn = plots(bench)
        looks = swatches(len(bench.models))
    except ImportError:
        return "<p><small>For plots: <code>pip install 'theseus-plugin[plot]'</code></small></p>"
    if not drawn:
        return ""
    items = "\n".join(
        f"<li>{look} {place} {escape(model.name)} <small>{escape(_kind(model))}</small></li>"
        for place, (look, model) in enumerate(zip(looks, bench.models, strict=True), start=1)
    )
    plotted = "\n".join(drawn)
    return f'<ul class="key">\n{items}\n</ul>\n<div class="plots">\n{plotted}\n</div>'


def _kind(model: Model) -> str:
    return ", ".join(part for part in (model.runtime, model.precision) if part)


def _files(models: Sequence[Model]) -> list[tuple[str, str]]:
    """Per model all files that its evaluators name, each with its hash."""
    result = []
    for place, model in enumerate(models, start=1):
        files = dict.fromkeys(f"{file}, sha256 {sha256}" for file, sha256 in model.files)
        if files:
            result.append((f"{place} {model.name}", "; ".join(files)))
    return result
