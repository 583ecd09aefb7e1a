"""What the figures say, in sentences: each model against the first."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.report.labels import labels
from theseus_plugin.report.ratios import differs
from theseus_plugin.report.record import TASK, Record, comparable, metric_scale, named, score, shapes, timed, unpaired


def findings(records: Sequence[Record]) -> list[str]:
    """One sentence per model after the first that was measured like it, worse figures included."""
    names = labels(records)
    sentences = []
    for name, record in list(zip(names, records, strict=True))[1:]:
        first = records[0]
        parts = [*_kept(first, record), *_faster(first, record), *_smaller(first, record)]
        if parts:
            sentences.append(f"{name} against {names[0]}: {'; '.join(parts)}.")
    return sentences


def kept(first: Record, record: Record, metric: str) -> str | None:
    """`f1 76.00 of 80.00, 95.0 % of it`, with the interval of the difference where there is one.

    Of a metric of which less is better: `perplexity 8.40 after 8.00, 5.0 % more`. No comparison where the models were
    asked about other examples.
    """
    before, after = score(first, metric), score(record, metric)
    if before is None or after is None:
        return None
    shown = metric_scale(record, metric)
    if why := unpaired(record):
        return f"{metric} {shown.text(after)} on other examples, so not compared ({why})"
    if shown.lower_is_better:
        lost = shown.lost(before, after)
        share = f" after {shown.text(before)}, {abs(lost):.1f} % {'more' if lost > 0 else 'less'}"
    else:
        share = f" of {shown.text(before)}" + (f", {100 * after / before:.1f} % of it" if before > 0 else "")
    apart = record["accuracy"].get("difference", {}).get(metric)
    if apart is not None:
        low, high = apart["interval"]
        verdict = ", no clear difference" if low <= 0 <= high else ""
        ends = f"{shown.text(low, '+.2f')} to {shown.text(high, '+.2f')}"
        share += f" (difference {shown.text(apart['value'], '+.2f')}, 95 % interval {ends}{verdict})"
    return f"{metric} {shown.text(after)}{share}"


def _kept(first: Record, record: Record) -> list[str]:
    if "accuracy" not in record:
        return []
    found = kept(first, record, record["accuracy"]["metric"])
    return [] if found is None else [found]


def _faster(first: Record, record: Record) -> list[str]:
    parts = []
    for shape in (*shapes([record]), TASK):
        found = timed(record, shape)
        if found and timed(first, shape) and comparable(first, record):
            verdict = "" if differs(found) else " (no clear difference)"
            place = "on" if shape == TASK else "at"
            parts.append(f"{found['times_as_fast']['median']:.2f}x {place} {named(shape)}{verdict}")
    return ["as fast: " + ", ".join(parts)] if parts else []


def _smaller(first: Record, record: Record) -> list[str]:
    parts = []
    if "size" in first and "size" in record:
        parts.append(f"{100 * record['size']['bytes'] / first['size']['bytes']:.0f} % of the bytes")
        blocks, before = record["size"].get("blocks"), first["size"].get("blocks")
        if blocks and before and blocks != before:
            parts.append(f"{blocks} of {before} blocks")
    ours, theirs = (r.get("memory", {}).get("peak_bytes") for r in (record, first))
    if ours and theirs:
        parts.append(f"{100 * ours / theirs:.0f} % of the peak memory")
    return parts
