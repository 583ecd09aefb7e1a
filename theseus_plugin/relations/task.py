"""The task of judging facts of a knowledge graph by the paths between their entities."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from theseus_plugin.contract import Task, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import Count, Distinct, Natural, Options, Processes, Seed

CLASSES = ("false", "true")


class RelationsOptions(Options):
    """Options of `relations`; the defaults are BERTRL's."""

    train: str = Field(description="File of the graph's facts: head, relation and tail, separated by tabs.")
    validation: str | None = Field(None, description="File of facts that are not in the graph, to judge.")
    entities: str | None = Field(None, description="File of an entity's name and its text, separated by a tab.")
    relations: str | None = Field(None, description="File of a relation's name and its text, separated by a tab.")
    negatives: Natural = Field(10, description="False facts made of each true one to train on.")
    validation_negatives: Natural = Field(1, description="The same of the validation facts.")
    paths: Count = Field(3, description="Paths of each fact, one example each, the shortest first.")
    max_length: int = Field(128, ge=16, description="In tokens; whole steps of a path are left out beyond it.")
    seed: Seed = Field(0, description="Of the false facts.")
    processes: Processes | None = Field(None, description="Processes that find paths; default: one.")
    metrics: Annotated[list[Literal["auc", "accuracy", "f1", "matthews"]], Distinct] = Field(
        ["auc", "accuracy"],
        min_length=1,
        description="auc: how often a true fact is above a false one; the others as of text-classification."
        " The first one chooses the best checkpoint.",
    )


class Relations(Task):
    """True or false, of a fact and one path (BERTRL, Zha et al., AAAI 2022)."""

    name = "relations"
    summary = "judge facts of a knowledge graph by the paths between their entities (BERTRL), from TSV files"
    auto_class = "AutoModelForSequenceClassification"
    Config = RelationsOptions
    config: RelationsOptions

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """See `Task.load`.

        Raises:
            UserError: a file that is missing or malformed, no example in a split, or a head of other classes.
        """
        from theseus_plugin.checkpoint import load_config
        from theseus_plugin.relations.encode import Encoder
        from theseus_plugin.relations.examples import Maker, judge, stored
        from theseus_plugin.relations.graph import Graph, read_triples
        from theseus_plugin.relations.text import Names
        from theseus_plugin.tasks.heads import classes_of, classifier
        from theseus_plugin.tasks.metrics import scorer
        from theseus_plugin.tasks.tokens import Padding

        if not new_head and len(names := classes_of(load_config(checkpoint), checkpoint)) != len(CLASSES):
            raise UserError(f"{checkpoint}: its head has {len(names)} classes, a fact is false or true: choose another")
        graph = Graph.of(read_triples(self.config.train), self.config.train)
        texts = Names.read(self.config.entities, self.config.relations)
        encoder = Encoder.of(checkpoint, self.config.max_length)
        found, truncated = {}, {}
        maker = Maker(graph, texts, encoder, self.config.paths)
        # removed at the end: what is open in it stays readable, and goes when it is closed
        with tempfile.TemporaryDirectory(prefix="relations-") as folder:
            for split in splits:
                facts = read_triples(self._file(split))
                count = self.config.negatives if split == "train" else self.config.validation_negatives
                judged = judge(graph, facts, count, self.config.seed)
                found[split], truncated[split] = stored(maker, judged, f"{folder}/{split}", self.config.processes)
                if not len(found[split]):
                    raise UserError(f"{self._file(split)}: no fact there whose entities a path joins: nothing to judge")
        return TaskData(
            splits=found,
            collate=Padding.of(encoder.tokenizer, "int64"),
            score=scorer(self.config.metrics),
            metric=self.config.metrics[0],
            head=classifier(CLASSES),
            truncated=truncated,
            max_length=encoder.max_length,
        )

    def _file(self, split: str) -> str:
        given: str | None = getattr(self.config, split)
        if given is None:
            raise UserError(f"task relations: no {split} facts: give the file as `{split}`")
        return given
