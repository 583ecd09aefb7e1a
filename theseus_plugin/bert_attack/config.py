"""The options of BERT-ATTACK."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theseus_plugin.measure.placement import Placed


class AttackConfig(Placed):
    """Options of `bert-attack`; the defaults are the paper's."""

    mlm: str = Field(description="checkpoint of the masked language model that proposes words: a folder or a hub name")
    samples: int = Field(
        500, ge=1, description="validation examples to attack, drawn at random; all if there are fewer"
    )
    seed: int = Field(0, ge=0, description="of the draw of examples")
    candidates: int = Field(48, ge=1, description="words tried in one place, and tokens considered for one piece (K)")
    max_changed: float = Field(0.4, gt=0, le=1, description="share of a text's words that may change; one always may")
    max_queries: int | None = Field(
        None, ge=1, description="texts that the model may be asked about for one example; default: as many as it takes"
    )
    side: Literal["first", "second"] = Field("first", description="of a pair, the text that is changed")
    min_similarity: float = Field(
        -1.0, ge=-1, le=1, description="changed texts less similar than this to the original count as failures"
    )
    sentence_encoder: str | None = Field(
        None, description="checkpoint whose mean-pooled states measure similarity; default: the masked language model's"
    )
    stop_words: str | None = Field(
        None, description="file of words that are never touched, one a line; default: scikit-learn's English ones"
    )
    word_vectors: str | None = Field(
        None,
        description="file of word vectors, `word number number ...` a line, counter-fitted ones for sentiment: words"
        " that lie too far from the original, as antonyms do, are not tried; default: all are",
    )
    min_word_similarity: float = Field(
        0.4, ge=-1, le=1, description="cosine below which `word_vectors` rule a word out"
    )
    batch_size: int = Field(64, ge=1, description="texts per call of the model; changes the speed, hardly the result")
    output: str | None = Field(
        None, description="folder for the attacked examples, a JSON Lines file a model, and a page"
    )
