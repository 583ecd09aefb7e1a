"""The whole job on one graph: train, compress, export, and rank queries about entities that were never seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.glue.grid import METHODS
from benchmarks.glue.tasks import MODEL
from benchmarks.suite import once
from theseus_plugin import api
from theseus_plugin.cores import usable_cores
from theseus_plugin.relations.finder import Finder
from theseus_plugin.relations.graph import Graph, read_triples
from theseus_plugin.relations.queries import read_queries
from theseus_plugin.relations.ranks import ranks, summary

DATA = Path("../shared/data/kg")
HOME = Path("runs/relations")
MODELS = ("predecessor", "successor", "successor-int8")
RATES = {"fit": 1e-4, "theseus": 2e-4}
"""Learning rates."""
NEGATIVES = 3
"""False facts to a true one, where the paper has 10: so many steps see more true ones then."""


@dataclass(frozen=True)
class Knowledge:
    """A graph to learn from, and another one, of other entities and the same relations, to rank queries in."""

    name: str
    folder: str
    """Of the first one under `DATA`; that of the other ends in `_ind`."""
    texts: str
    train: str
    """File of the facts that are learned from."""
    fit_steps: int
    steps: int
    """Of compression."""
    paper: tuple[float, float] | None = None
    """Hits@1 and MRR of BERTRL, with BERT-base, by the paper."""

    @property
    def home(self) -> Path:
        """Where its models are."""
        return HOME / self.name

    def section(self) -> dict[str, Any]:
        """The section `task` of its recipes."""
        return {
            "name": "relations",
            "train": str(DATA / self.folder / self.train),
            "validation": str(DATA / self.folder / "valid.txt"),
            "entities": str(DATA / "text" / self.texts / "entity2text.txt"),
            "relations": str(DATA / "text" / self.texts / "relation2text.txt"),
            "negatives": NEGATIVES,
            "processes": usable_cores(),
        }

    @property
    def ranked(self) -> dict[str, Any]:
        """The options of `ranking`."""
        other = DATA / f"{self.folder}_ind"
        queries = [str(other / f"ranking_{varied}.txt") for varied in ("head", "tail")]
        return {"facts": str(other / "train.txt"), "queries": queries, "processes": usable_cores()}


GRAPHS = {
    one.name: one
    for one in (
        Knowledge("WN18RR", "WN18RR", "WN18RR", "train.txt", 700, 500, (0.755, 0.792)),
        Knowledge("FB15k-237", "fb237", "FB237", "train.txt", 700, 1500, (0.541, 0.605)),
        Knowledge("WN18RR-1000", "WN18RR", "WN18RR", "train_1000.txt", 350, 350),
        Knowledge("FB15k-237-1000", "fb237", "FB237", "train_1000.txt", 350, 350),
    )
}


def run(graph: Knowledge) -> dict[str, Any]:
    """Everything, from the pretrained encoder to the ranks of three models."""
    started, from_scratch = time.monotonic(), not graph.home.exists()
    train(graph)
    rows = [api.bench([str(graph.home / name)], None, {"ranking": graph.ranked, "size": {}}) for name in MODELS]
    return {
        "models": dict(zip(MODELS, (row["models"][0] for row in rows), strict=True)),
        "by_number_of_paths": by_number_of_paths(graph),
        "from_scratch": from_scratch,
        "seconds": time.monotonic() - started,
        "environment": rows[0]["environment"],
    }


def train(graph: Knowledge) -> None:
    """The three models, but for those that are there."""
    predecessor, successor, eight = (graph.home / name for name in MODELS)
    fit = {"max_steps": graph.fit_steps, "learning_rate": RATES["fit"], "resume": True}
    training = {"max_steps": graph.steps, "learning_rate": RATES["theseus"], "resume": True}
    recipe = {
        "model": MODEL,
        "predecessor": str(predecessor),
        "successor": str(successor),
        "task": graph.section(),
        "fit": fit,
        "method": {**METHODS["theseus"], "successor_blocks": 3, "training": training},
    }
    once(predecessor, lambda: api.fit(recipe))
    once(successor, lambda: api.compress(recipe))
    once(eight, lambda: api.export(str(successor), str(eight), precision="int8-dynamic"))


def by_number_of_paths(graph: Knowledge) -> Mapping[str, Any]:
    """The ranks of a baseline without rules or learning: the more paths join two entities, the likelier the fact."""
    finder = Finder(Graph.of(read_triples(graph.ranked["facts"])))
    queries = read_queries(graph.ranked["queries"], 50)
    counts = ([np.array([len(paths)] if paths else []) for paths, _ in finder.paths(query)] for query in queries)
    return summary([ranks(scores, "max") for scores in counts])
