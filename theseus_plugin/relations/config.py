"""The options of the evaluator `ranking`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.measure.placement import Placed
from theseus_plugin.options.validation import Processes

Aggregator = Literal["max", "mean", "noisy-or"]


class Judging(Placed):
    """How a fact is judged by its paths; the defaults are BERTRL's."""

    facts: str | None = Field(
        None,
        description="file of the facts that paths are made of, those of unseen entities; default: the task's train",
    )
    aggregator: Aggregator = Field("max", description="what the probabilities of a fact's paths are made one by")
    paths: int | None = Field(
        None,
        ge=1,
        le=2**31,
        description="of each fact at most, the shortest first, a sample of the longest; default: all",
    )
    seed: int = Field(0, ge=0, description="of that sample")
    batch_size: int = Field(
        64, ge=1, le=2**20, description="paths per call of the model; changes the speed, hardly the result"
    )


class RankingConfig(Judging):
    """Options of `ranking`."""

    queries: list[str] = Field(
        min_length=1, description="files of facts, so many a query as there are candidates, the true one first"
    )
    candidates: int = Field(50, ge=2, le=2**31, description="facts of each query")
    processes: Processes | None = Field(None, description="processes that find paths; default: one")
    output: str | None = Field(None, description="folder for the ranked queries, a JSON Lines file a model")
