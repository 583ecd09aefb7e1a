"""What a bench says in sentences: each model against the first, what makes it doubtful, and how it came about."""

from __future__ import annotations

from collections.abc import Iterable

from theseus_plugin.report.record import Bench, Model
from theseus_plugin.report.timing import OWN_EXAMPLES, Latency, OwnExamples


def findings(bench: Bench) -> list[str]:
    """One sentence per model after the first that was measured like it, worse results included."""
    sentences = []
    for model in bench.models[1:]:
        first = bench.models[0]
        parts = [*_kept(first, model), *_faster(first, model), *_smaller(first, model)]
        if parts:
            sentences.append(f"{model.name} against {first.name}: {'; '.join(parts)}.")
    return sentences


def kept(first: Model, model: Model, metric: str) -> str | None:
    """`f1 76.00 of 80.00, 95.0 % of it`, with the interval of the difference where there is one.

    Of a metric of which less is better: `perplexity 8.40 after 8.00, 5.0 % more`. No comparison where the models were
    asked about other examples.
    """
    before, after = first.scores.get(metric), model.scores.get(metric)
    if before is None or after is None:
        return None
    shown = after.scale
    if model.unpaired:
        return f"{metric} {shown.text(after.value)} on other examples, so not compared ({model.unpaired})"
    if shown.lower_is_better:
        lost = shown.lost(before.value, after.value)
        share = f" after {shown.text(before.value)}, {abs(lost):.1f} % {'more' if lost > 0 else 'less'}"
    else:
        share = f" of {shown.text(before.value)}"
        share += f", {100 * after.value / before.value:.1f} % of it" if before.value > 0 else ""
    if after.difference is not None:
        low, high = after.difference.interval
        verdict = ", no clear difference" if low <= 0 <= high else ""
        ends = f"{shown.text(low, '+.2f')} to {shown.text(high, '+.2f')}"
        share += f" (difference {shown.text(after.difference.value, '+.2f')}, 95 % interval {ends}{verdict})"
    return f"{metric} {shown.text(after.value)}{share}"


def warnings(bench: Bench) -> list[str]:
    """What makes a bench doubtful: a busy machine, unlike conditions, parts measured on different files."""
    lines = []
    if any(model.latency and model.latency.busy for model in bench.models):
        lines.append("Others used the processor while latency was measured: the times are not to be trusted.")
    for model in bench.models:
        name = model.name
        if model.latency and bench.models[0].latency and not model.comparable:
            lines.append(f"{name} was not measured like the first model: it is not ranked with the others.")
        if model.latency and (why := model.latency.unpaired):
            lines.append(f"{name} has other examples than the first model ({why}): no model was timed on its own ones.")
        if why := model.unpaired:
            lines.append(f"{name} was scored on other examples than the first model ({why}): they do not compare.")
        if len({sha256 for _, sha256 in model.files}) > 1:
            lines.append(f"{name}: the file changed between the measurements, whose figures do not belong together.")
    return lines


def how(bench: Bench) -> list[str]:
    """How the numbers of the table came about, a line for each kind of them."""
    return [*_times(bench), *_metrics(bench), *_memory(bench)]


def _kept(first: Model, model: Model) -> Iterable[str]:
    if model.accuracy and (found := kept(first, model, model.accuracy.metric)):
        yield found


def _faster(first: Model, model: Model) -> Iterable[str]:
    parts = []
    for shape, timing in model.timings.items():
        if timing.ratio and shape in first.timings and model.comparable:
            verdict = "" if timing.differs else " (no clear difference)"
            place = "on" if shape == OWN_EXAMPLES else "at"
            parts.append(f"{timing.ratio.median:.2f}x {place} {shape.name}{verdict}")
    if parts:
        yield "as fast: " + ", ".join(parts)


def _smaller(first: Model, model: Model) -> Iterable[str]:
    if first.size.bytes and model.size.bytes is not None:
        yield f"{100 * model.size.bytes / first.size.bytes:.0f} % of the bytes"
    blocks, before = model.size.blocks, first.size.blocks
    if blocks and before and blocks != before:
        yield f"{blocks} of {before} blocks"
    ours, theirs = (one.memory.peak_bytes if one.memory else None for one in (model, first))
    if ours and theirs:
        yield f"{100 * ours / theirs:.0f} % of the peak memory"


def _times(bench: Bench) -> Iterable[str]:
    timed = [model.latency for model in bench.models if model.latency]
    if not timed:
        return
    first = timed[0]
    batches = any(shape.length is None for shape in first.timings if shape != OWN_EXAMPLES)
    padded = ", or by batch of real examples, padded" if batches else ""
    yield (
        f"Times are median ms per call, without the tokeniser, by batch x length in tokens, unpadded{padded}; "
        f"{', '.join(_conditions(first))}."
    )
    if len(timed) > 1:
        yield (
            "Below each time: how many times as fast as the first model, as the median of the rounds' ratios and its "
            "95 % interval. It is no clear difference if the interval holds 1 or there were too few rounds."
        )
    if any(timing.noise is not None for latency in timed for timing in latency.timings.values()):
        yield (
            "Noise: the first model against itself in another process (an A/A control), as far as the interval of "
            "that ratio reaches from 1. What differs by less is no clear difference either."
        )
    if first.own:
        yield f"Own examples: {first.own.count} of the task's, one at a time{_lengths(first.own)}."
    if first.end_to_end:
        yield "End to end: the same texts from string to logits, so with the tokeniser."


def _conditions(latency: Latency) -> Iterable[str]:
    """On what, and how often, a model was timed."""
    if latency.device is not None:
        yield f"on {latency.device}"
    if latency.threads is not None:
        yield f"{latency.threads} threads" + (f" of {latency.cores} cores" if latency.cores is not None else "")
    if latency.spinning is not None:
        yield "threads that wait " + ("spin" if latency.spinning else "sleep (spinning off)")
    counts = sorted({timing.rounds for timing in latency.timings.values() if timing.rounds is not None})
    if counts:
        yield f"{counts[0]} rounds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} rounds"
    yield "one process per model and shape"


def _lengths(own: OwnExamples) -> str:
    return "" if own.lengths is None else ", {min} to {max} tokens, median {median:g}".format(**own.lengths)


def _metrics(bench: Bench) -> Iterable[str]:
    scored = [model.accuracy for model in bench.models if model.accuracy]
    if not scored:
        return
    cut = f", {scored[0].truncated} of them cut to the maximal length" if scored[0].truncated else ""
    intervals = (
        "; with 95 % intervals, also of the difference to the first model on the same examples"
        if any(accuracy.resampled for accuracy in scored)
        else ""
    )
    timed = ", from the very file that was timed" if any(model.latency for model in bench.models) else ""
    yield f"Metrics: {scored[0].examples} validation examples{cut}{timed}{intervals}."


def _memory(bench: Bench) -> Iterable[str]:
    measured = [model.memory for model in bench.models if model.memory]
    if measured:
        at = f" at {measured[0].shape}" if measured[0].shape else ""
        yield f"Peak memory{at}: what loading and calling the model added to its process."
