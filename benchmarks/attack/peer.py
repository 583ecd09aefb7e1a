"""The BERT-ATTACK recipe of TextAttack on given samples, in an environment of its own; `speed.py` calls it.

    NLTK_DATA=FOLDER python peer.py MODEL MLM SAMPLES.jsonl OUT.json --threads 2 [--padding longest]

As the recipe is but for K, which is the paper's 48, with the combinations of a word of several pieces cut to the first
48 x 48: all of two pieces, where 48^3 would take minutes a word; for the sentence encoder, which cannot be downloaded,
so that no time is spent on it; and for the stop words, which lie in FOLDER. `--padding longest` mends what costs most,
padding to the longest input the model takes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from textattack import Attack
from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult
from textattack.constraints.overlap import MaxWordsPerturbed
from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
from textattack.goal_functions import UntargetedClassification
from textattack.models.wrappers import HuggingFaceModelWrapper
from textattack.search_methods import GreedyWordSwapWIR
from textattack.transformations import WordSwapMaskedLM
from textattack.transformations.word_swaps import word_swap_masked_lm
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

CANDIDATES = 48


def main() -> None:
    """Attack every sample, one after the other, and write what came of each and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "mlm", "samples", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--padding", choices=("max_length", "longest"), default="max_length")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    word_swap_masked_lm.itertools = SimpleNamespace(product=_some)
    classifier = AutoModelForSequenceClassification.from_pretrained(arguments.model).eval()
    attack = _attack(classifier, arguments)
    samples = [json.loads(line) for line in arguments.samples.read_text(encoding="utf-8").splitlines()]
    names = classifier.config.label2id
    arguments.out.write_text(json.dumps([_attacked(attack, one["text"], names[one["label"]]) for one in samples]))


def _attack(classifier: PreTrainedModel, arguments: argparse.Namespace) -> Attack:
    tokenizer = _Padded(AutoTokenizer.from_pretrained(arguments.model), arguments.padding)
    wrapper = HuggingFaceModelWrapper.__new__(HuggingFaceModelWrapper)  # whose check refuses a wrapped tokenizer
    wrapper.model, wrapper.tokenizer, wrapper.max_length = classifier, tokenizer, None
    mlm = AutoModelForMaskedLM.from_pretrained(arguments.mlm).eval()
    its_tokenizer = _Padded(AutoTokenizer.from_pretrained(arguments.mlm), arguments.padding)
    return Attack(
        UntargetedClassification(wrapper),
        [RepeatModification(), StopwordModification(), MaxWordsPerturbed(max_percent=0.4)],
        WordSwapMaskedLM("bert-attack", mlm, its_tokenizer, max_candidates=CANDIDATES),
        GreedyWordSwapWIR(wir_method="unk"),
    )


def _attacked(attack: Attack, text: str, label: int) -> dict[str, Any]:
    started = time.perf_counter()
    result = attack.attack(text, label)
    seconds = time.perf_counter() - started
    skipped, success = (isinstance(result, kind) for kind in (SkippedAttackResult, SuccessfulAttackResult))
    status = "skipped" if skipped else "success" if success else "failure"
    return {"status": status, "seconds": seconds, "queries": int(result.num_queries)}


class _Padded:
    """A tokenizer that pads as it is told, whatever it is asked; all else is the tokenizer's."""

    def __init__(self, tokenizer: Any, padding: str) -> None:
        self._tokenizer, self._padding = tokenizer, padding

    def __call__(self, text: Any, **options: Any) -> Any:
        return self._tokenizer(text, **options | {"padding": self._padding})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def _some(*pieces: Any) -> Iterator[Any]:
    return itertools.islice(itertools.product(*pieces), CANDIDATES**2)


if __name__ == "__main__":
    main()
