"""Ranking as an evaluator: where a model puts the true one of many candidate facts (BERTRL, section 4)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError
from theseus_plugin.relations.config import RankingConfig

if TYPE_CHECKING:
    import datasets
    import numpy as np

    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model
    from theseus_plugin.relations.encode import Encoder
    from theseus_plugin.relations.finder import Finder
    from theseus_plugin.relations.queries import Query
    from theseus_plugin.relations.ranks import Scores
    from theseus_plugin.relations.task import Relations
    from theseus_plugin.relations.text import Names


class Ranking(Evaluator):
    """Each model in a process of its own, through the runtime it would be deployed with; all on the same paths."""

    name = "ranking"
    summary = "Hits@1, Hits@10 and MRR of true facts among candidates, judged by the paths between their entities"
    Config = RankingConfig
    config: RankingConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Rank the true candidate of every query by every model.

        A record holds:

        - `hits@1`, `hits@10` and `mrr` by mean rank, with their `intervals`; the same by every one of the `rules`;
        - `queries`, `candidates` and `paths` in all;
        - `coverage`: the share of queries whose true fact has a path, which bounds Hits@1;
        - how many queries have a fact whose paths were `capped`, facts have an entity that is `unknown`, paths were
          `cut` to fit the model;
        - `seconds` that finding paths and judging them took, and `queries_per_second` of both;
        - the `options`, and the file that was judged with.

        Raises:
            UserError: a path that is no model or not for this device, a task other than `relations`, a file that cannot
                be read or is malformed, a query of an unknown relation, an output that exists, or a model whose logits
                are not finite.
        """
        from theseus_plugin.files import complete_folder, refuse_existing
        from theseus_plugin.measure.placement import admitted
        from theseus_plugin.relations.finder import Finder
        from theseus_plugin.relations.known import known_relations, require_known
        from theseus_plugin.relations.queries import read_queries
        from theseus_plugin.relations.report import write_queries

        config, output = self.config, self.config.output
        if output is not None:
            refuse_existing(output)
        chosen, relations = admitted(models, config), relations_of(task)
        finder = Finder(graph_of(relations, config.facts), config.paths, config.seed)
        names, queries = names_of(relations), read_queries(config.queries, config.candidates)
        require_known(queries, config.queries, finder.graph, known_relations(relations, finder.graph, names))
        records, ranked = [], []
        with tempfile.TemporaryDirectory(prefix="ranking-") as folder:
            known: dict[str, _Found] = {}
            for model in chosen:
                found = self._found(model, relations, finder, names, queries, Path(folder), known)
                log_odds, seconds = self._judged(model, task.auto_class, found)
                scores = scores_of(queries, found.examples, log_odds)
                records.append(self._record(model, queries, finder, found, scores, seconds))
                ranked.append((scores, found.examples))
            if output is not None:
                with complete_folder(output) as written:
                    for number, (model, (scores, examples)) in enumerate(zip(chosen, ranked, strict=True), start=1):
                        file = written / f"{number}-{Path(model.name).name}.jsonl"
                        write_queries(file, queries, finder.graph, names, scores, examples, config.aggregator)
        return records

    def _found(
        self,
        model: Model,
        task: Relations,
        finder: Finder,
        names: Names,
        queries: Sequence[Query],
        folder: Path,
        known: dict[str, _Found],
    ) -> _Found:
        """The paths as inputs of a model; made once for all that read texts alike."""
        from theseus_plugin.relations.encode import Encoder
        from theseus_plugin.relations.finder import ExampleMaker, columns
        from theseus_plugin.relations.on_disk import on_disk

        encoder = Encoder.of(str(model.folder), task.config.max_length)
        key = f"{encoder.max_length} {encoder.tokenizer.backend_tokenizer.to_str()}"
        if key not in known:
            maker = ExampleMaker(finder, names, encoder)
            numbered, own, started = list(enumerate(queries)), str(folder / str(len(known))), perf_counter()
            examples = on_disk(maker.examples, numbered, encoder.names, columns(), own, self.config.processes, "paths")
            known[key] = _Found(examples, encoder, perf_counter() - started)
        return known[key]

    def _judged(self, model: Model, auto_class: str, found: _Found) -> tuple[np.ndarray, float]:
        """The log-odds of all paths, and how long it took; loading is not counted."""
        import numpy as np

        from theseus_plugin.console import progress
        from theseus_plugin.relations.judge import CHUNK, judging

        count, size = len(found.examples), self.config.batch_size
        starts = range(0, count, CHUNK)
        batches = sum(-(-min(CHUNK, count - start) // size) for start in starts)
        with (
            progress(f"judgements of {model.name}", batches) as tick,
            judging(model, auto_class, self.config, found.encoder.tokenizer) as judge,
        ):
            started = perf_counter()
            parts = [
                judge.log_odds(
                    found.examples[start : start + CHUNK], found.encoder.names, tick
                )  # read where it is needed
                for start in starts
            ]
        return np.concatenate([*parts, np.zeros(0, dtype=np.float32)]), perf_counter() - started

    def _record(
        self,
        model: Model,
        queries: Sequence[Query],
        finder: Finder,
        found: _Found,
        scores: Sequence[Scores],
        seconds: float,
    ) -> dict[str, Any]:
        import numpy as np

        from theseus_plugin.relations.ranks import ranks, summary

        examples, config = found.examples, self.config
        rules = summary([ranks(one, config.aggregator) for one in scores])
        query, capped = np.array(examples["query"]), np.array(examples["capped"], dtype=bool)
        spent = {"paths": round(found.seconds, 3), "judging": round(seconds, 3)}
        return {
            **rules["mean"],
            "rules": rules,
            "queries": len(queries),
            "candidates": sum(len(one.facts) for one in queries),
            "paths": len(examples),
            "coverage": float(np.mean([len(one[0]) > 0 for one in scores])),
            "capped": len(np.unique(query[capped])),
            "unknown": sum(finder.unknown(fact) for one in queries for fact in one.facts),
            "cut": sum(examples["cut"]),
            "seconds": spent,
            "queries_per_second": len(queries) / sum(spent.values()),
            "options": config.model_dump(mode="json", exclude={"output"}),
            **model.facts(),
        }


@dataclass(frozen=True)
class _Found:
    """The paths of all queries, as inputs of models that read texts alike."""

    examples: datasets.Dataset
    encoder: Encoder
    seconds: float
    """That it took to find them."""


def relations_of(task: Task) -> Relations:
    """The task, if it is the one whose facts can be ranked.

    Raises:
        UserError: it is another.
    """
    from theseus_plugin.relations.task import Relations

    if not isinstance(task, Relations):
        raise UserError(f"task {task.name!r} knows no facts to rank: give a recipe whose task is relations")
    return task


def graph_of(task: Relations, facts: str | None) -> Any:
    """The graph that paths are found in: that of a file, or the task's own."""
    from theseus_plugin.relations.graph import Graph, read_triples

    file = facts or task.config.train
    return Graph.of(read_triples(file), file)


def names_of(task: Relations) -> Names:
    """What the task calls entities and relations."""
    from theseus_plugin.relations.text import Names

    return Names.read(task.config.entities, task.config.relations)


def scores_of(queries: Sequence[Query], examples: datasets.Dataset, log_odds: np.ndarray) -> list[Scores]:
    """The log-odds by query and candidate."""
    import numpy as np

    places = np.array(examples["query"], dtype=np.int64), np.array(examples["candidate"], dtype=np.int64)
    firsts = np.cumsum([0, *(len(query.facts) for query in queries)])
    flat = firsts[places[0]] + places[1]  # in order, as examples are made
    bounds = np.searchsorted(flat, np.arange(firsts[-1] + 1))
    return [
        [log_odds[bounds[at] : bounds[at + 1]] for at in range(firsts[number], firsts[number + 1])]
        for number in range(len(queries))
    ]
