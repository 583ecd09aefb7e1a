"""What a reader has to know about the figures: warnings, and how they came about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from theseus_plugin.report.labels import labels
from theseus_plugin.report.record import TASK, Record, comparable, unpaired


def warnings(records: Sequence[Record]) -> list[str]:
    """What makes figures doubtful: a busy machine, unlike conditions, parts measured on different files."""
    lines = []
    if any(record.get("latency", {}).get("machine", {}).get("busy") for record in records):
        lines.append("Others used the processor while latency was measured: the times are not to be trusted.")
    for name, record in zip(labels(records), records, strict=True):
        if "latency" in record and "latency" in records[0] and not comparable(records[0], record):
            lines.append(f"{name} was not measured like the first model: it is not ranked with the others.")
        if why := record.get("latency", {}).get("unpaired"):
            lines.append(f"{name} has other examples than the first model ({why}): no model was timed on its own ones.")
        if why := unpaired(record):
            lines.append(f"{name} was scored on other examples than the first model ({why}): they do not compare.")
        if len({part["sha256"] for part in parts(record)}) > 1:
            lines.append(f"{name}: the file changed between the measurements, whose figures do not belong together.")
    return lines


def how(records: Sequence[Record]) -> list[str]:
    """How the figures of the table came about, a line for each kind of them."""
    return [*_times(records), *_metrics(records), *_memory(records)]


def parts(record: Record) -> list[Mapping[str, Any]]:
    """What each evaluator recorded that names the file it measured."""
    return [part for part in record.values() if isinstance(part, Mapping) and "sha256" in part]


def _times(records: Sequence[Record]) -> Iterable[str]:
    all_timed = [record["latency"] for record in records if "latency" in record]
    if not all_timed:
        return
    first = all_timed[0]
    facts = [f"{first['threads']} threads" + (f" of {first['cores']} cores" if "cores" in first else "")]
    if "device" in first:
        facts.insert(0, f"on {first['device']}")
    if "spinning" in first:
        facts.append("threads that wait " + ("spin" if first["spinning"] else "sleep (spinning off)"))
    facts += [_rounds(first), "one process per model and shape"]
    padded = ", or by batch of real examples, padded" if any("x" not in s for s in first["shapes"]) else ""
    yield (
        f"Times are median ms per call, without the tokeniser, by batch x length in tokens, unpadded{padded}; "
        f"{', '.join(facts)}."
    )
    if len(all_timed) > 1:
        yield (
            "Below each time: how many times as fast as the first model, as the median of the rounds' ratios and its "
            "95 % interval. It is no clear difference if the interval holds 1 or there were too few rounds."
        )
    every = [shape for latency in all_timed for shape in (*latency.get("shapes", {}).values(), latency.get(TASK) or {})]
    if any("control" in shape for shape in every):
        yield (
            "Noise: the first model against itself in another process (an A/A control), as far as the interval of "
            "that ratio reaches from 1. What differs by less is no clear difference either."
        )
    own = first.get(TASK)
    if own:
        yield f"Own examples: {own['examples']} of the task's, one at a time{_lengths(own)}."
    if "end_to_end" in first:
        yield "End to end: the same texts from string to logits, so with the tokeniser."


def _lengths(own: Mapping[str, Any]) -> str:
    if "lengths" not in own:
        return ""
    return ", {min} to {max} tokens, median {median:g}".format(**own["lengths"])


def _metrics(records: Sequence[Record]) -> Iterable[str]:
    scored = [record["accuracy"] for record in records if "accuracy" in record]
    if not scored:
        return
    cut = f", {scored[0]['truncated']} of them cut to the maximal length" if scored[0].get("truncated") else ""
    intervals = (
        "; with 95 % intervals, also of the difference to the first model on the same examples"
        if any("intervals" in accuracy for accuracy in scored)
        else ""
    )
    timed = ", from the very file that was timed" if any("latency" in record for record in records) else ""
    yield f"Metrics: {scored[0]['examples']} validation examples{cut}{timed}{intervals}."


def _memory(records: Sequence[Record]) -> Iterable[str]:
    measured = [record["memory"] for record in records if "memory" in record]
    if measured:
        at = f" at {measured[0]['shape']}" if "shape" in measured[0] else ""
        yield f"Peak memory{at}: what loading and calling the model added to its process."


def _rounds(latency: Mapping[str, Any]) -> str:
    """How many rounds the shapes of a model were measured in."""
    timed = [*latency.get("shapes", {}).values(), *([latency[TASK]] if TASK in latency else [])]
    counts = sorted({len(shape["round_medians_ms"]) for shape in timed})
    return f"{counts[0]} rounds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} rounds"
