"""Does a compressed encoder judge facts as well, and how fast is that.

    python -m benchmarks relations WN18RR      # train, compress, rank; under 30 minutes on 2 cores
    python -m benchmarks relations             # all graphs
    python -m benchmarks relations --speed     # path search against networkx, on a machine that does nothing else
    python -m benchmarks relations --check     # what is committed beside what it should reach

What has a record is not done again. Records: `benchmarks/results/relations.jsonl`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from benchmarks import suite
from benchmarks.records import Records
from benchmarks.relations import speed
from benchmarks.relations.runs import GRAPHS, MODELS, run
from benchmarks.targets import Target
from theseus_plugin.errors import UserError
from theseus_plugin.report.markdown import markdown_table

RECORDS = Records("relations")
MINUTES = 30
"""Of the whole run on WN18RR, at most."""
SPEED = 5
"""Times the predecessor's queries per second that the successor in 8 bits should rank, losing `LOST` of MRR at most."""
LOST = 0.01
RULES = ("mean", "paper")


def main() -> None:
    """Run what has no record, then print what is recorded."""
    options = suite.parser("relations", __doc__, speed="measure the search for paths")
    options.add_argument("graphs", nargs="*", metavar="GRAPH", help=f"of {', '.join(GRAPHS)}; default: all")
    suite.answer(options, measure, lambda: [RECORDS], tell)


def measure(arguments: Namespace) -> None:
    """The search for paths, or the graphs that are asked for and have no record.

    Raises:
        UserError: there is no such graph.
    """
    if unknown := sorted(set(arguments.graphs) - set(GRAPHS)):
        raise UserError(f"no such graph: {', '.join(unknown)}")
    if arguments.speed:
        RECORDS.put("speed", speed.measure())
    else:
        RECORDS.fill({name: partial(run, GRAPHS[name]) for name in arguments.graphs or GRAPHS})


def tell() -> bool:
    """Print what is recorded, and say whether every target is reached."""
    records = recorded()
    lines = list(reached(records))
    print("\n\n".join(told(records, lines)))  # noqa: T201
    return bool(lines) and all(line.reached for line in lines)


def told(records: Mapping[str, Any], lines: Iterable[Target]) -> list[str]:
    """The table, and what each should reach: what `docs/relations.md` shows."""
    return [table(records), "\n".join(line.text for line in lines)]


def reached(records: Mapping[str, Any]) -> Iterator[Target]:
    """Of every record."""
    for name, record in records.items():
        yield from targets(name, record)
    if "speed" in RECORDS:
        yield from speed.targets(RECORDS["speed"])


def table(records: Mapping[str, Any]) -> str:
    """Every model on every graph, in Markdown."""
    heads = [f"{name}, {rule}" for rule in ("mean rank", "the paper's rule") for name in ("Hits@1", "Hits@10", "MRR")]
    rows = [["graph", "model", *heads, "queries/s", "MB"]]
    for name, record in records.items():
        blank = ["", ""]
        rows.append([name, "number of paths", *_shown(record["by_number_of_paths"]), *blank])
        for model in MODELS:
            one = record["models"][model]
            megabytes = one["size"]["bytes"] / 1e6
            own = [f"{one['ranking']['queries_per_second']:.1f}", f"{megabytes:.1f}"]
            rows.append([name, model, *_shown(one["ranking"]["rules"]), *own])
        if paper := GRAPHS[name].paper:
            said = [f"{100 * paper[0]:.1f}", "", f"{100 * paper[1]:.1f}"]
            rows.append([name, "BERTRL with BERT-base, the paper's", "", "", "", *said, *blank])
    return markdown_table(rows)


def targets(name: str, record: Mapping[str, Any]) -> Iterator[Target]:
    """Faster than the predecessor, as good, and within half an hour."""
    ours, first = (record["models"][model]["ranking"] for model in ("successor-int8", "predecessor"))
    ratio = ours["queries_per_second"] / first["queries_per_second"]
    yield Target(
        f"{name}: queries a second against the predecessor", f"{ratio:.2f}x", f"at least {SPEED}x", ratio >= SPEED
    )
    lost = ours["mrr"] - first["mrr"]
    yield Target(f"{name}: MRR", f"{100 * lost:+.2f} points", f"at most {100 * LOST:g} lost", lost >= -LOST)
    bound = first["coverage"]
    yield Target(
        f"{name}: true facts with a path", f"{bound:.1%}", "bounds Hits@1", all(one <= bound for one in _hits(record))
    )
    if name == "WN18RR":
        minutes, whole = record["seconds"] / 60, record["from_scratch"]
        value = f"{minutes:.1f} minutes" if whole else "not run in one go"
        yield Target(f"{name}: the whole run", value, f"at most {MINUTES} minutes", whole and minutes <= MINUTES)


def _hits(record: Mapping[str, Any]) -> Iterator[float]:
    for model in MODELS:
        yield record["models"][model]["ranking"]["rules"]["paper"]["hits@1"]


def _shown(rules: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{100 * rules[rule][name]:.1f}" for rule in RULES for name in ("hits@1", "hits@10", "mrr")]


def recorded() -> dict[str, Any]:
    """The records of the graphs that have one."""
    return {name: RECORDS[name] for name in GRAPHS if name in RECORDS}


if __name__ == "__main__":
    main()
