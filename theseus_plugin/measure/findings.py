"""What the figures say, in sentences: each model against the first."""

from __future__ import annotations

from collections.abc import Sequence

from theseus_plugin.measure.rows import Record, shapes


def findings(records: Sequence[Record]) -> list[str]:
    """One sentence per model after the first that was measured like it, worse figures included."""
    sentences = []
    for record in records[1:]:
        parts = [*_kept(records[0], record), *_faster(record), *_smaller(records[0], record)]
        if parts:
            sentences.append(f"{record['model']} against {records[0]['model']}: {'; '.join(parts)}.")
    return sentences


def _kept(first: Record, record: Record) -> list[str]:
    if "accuracy" not in first or "accuracy" not in record:
        return []
    metric = record["accuracy"]["metric"]
    before, after = (r["accuracy"]["metrics"][metric] for r in (first, record))
    kept = f", {100 * after / before:.1f} % of it" if before > 0 else ""
    return [f"{metric} {100 * after:.2f} of {100 * before:.2f}{kept}"]


def _faster(record: Record) -> list[str]:
    """Ratios of medians; one whose rounds lie on both sides of 1 is no difference."""
    parts = []
    for shape in shapes([record]):
        timed = record["latency"]["shapes"][shape]
        fast = timed["times_as_fast"]
        unclear = fast["min"] <= 1 <= fast["max"]
        parts.append(f"{fast['median']:.2f}x at {shape}" + (" (within the noise)" if unclear else ""))
    return ["as fast: " + ", ".join(parts)] if parts else []


def _smaller(first: Record, record: Record) -> list[str]:
    if "size" not in first or "size" not in record:
        return []
    parts = [f"{100 * record['size']['bytes'] / first['size']['bytes']:.0f} % of the bytes"]
    if first["size"].get("blocks") and record["size"].get("blocks"):
        parts.append(f"{record['size']['blocks']} of {first['size']['blocks']} blocks")
    return parts
