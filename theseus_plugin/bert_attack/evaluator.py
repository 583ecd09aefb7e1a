"""BERT-ATTACK as an evaluator, which tells whether a compressed model is as robust as the one it came from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from theseus_plugin.bert_attack.config import AttackConfig
from theseus_plugin.contract import Evaluator
from theseus_plugin.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from theseus_plugin.bert_attack.candidates import Proposer
    from theseus_plugin.bert_attack.results import Attacked
    from theseus_plugin.bert_attack.search import Outcome
    from theseus_plugin.bert_attack.similarity import SentenceEncoder
    from theseus_plugin.bert_attack.words import Text
    from theseus_plugin.contract import Task, TaskData
    from theseus_plugin.measure.models import Model


class BertAttack(Evaluator):
    """Each model in a process of its own, through the runtime it would be deployed with; all on the same examples."""

    name = "bert-attack"
    summary = "BERT-ATTACK: how many texts are misled by changing how many words, and after how many queries"
    Config = AttackConfig
    config: AttackConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model the figures of `results.summary`, the seconds of the attack but for loading (words that an earlier
        model was attacked with are not looked for again), its options, what measured similarity, whether words were
        ruled out by vectors, and the file that was attacked.

        Raises:
            UserError: a path that is no model or not for this device, a task that does not classify texts, a masked
                language model that is none, a file of words or vectors that cannot be read, or an output that exists.
        """
        from theseus_plugin.files import complete_folder, refuse_existing
        from theseus_plugin.measure.placement import admitted

        output = self.config.output
        if output is not None:
            refuse_existing(output)
        chosen = admitted(models, self.config)
        proposer, encoder = self._helpers()
        records = []
        with nullcontext() if output is None else complete_folder(output) as folder:
            shown = []
            for model in chosen:
                attacked, names, seconds = self._attack(model, task, proposer, encoder)
                records.append(self._record(model, attacked, seconds))
                shown.append([one.record(names) for one in attacked])
            if folder is not None:
                _write(folder, [model.name for model in chosen], records, shown)
        return records

    def _helpers(self) -> tuple[Proposer, SentenceEncoder]:
        from theseus_plugin.bert_attack.candidates import Proposer
        from theseus_plugin.bert_attack.similarity import SentenceEncoder, WordVectors
        from theseus_plugin.bert_attack.words import read_stop_words

        config = self.config
        vectors = WordVectors.read(config.word_vectors) if config.word_vectors else None
        stop_words = read_stop_words(config.stop_words)
        proposer = Proposer(config.mlm, config.candidates, stop_words, vectors, config.min_word_similarity)
        if config.sentence_encoder:
            return proposer, SentenceEncoder.load(config.sentence_encoder, config.batch_size)
        return proposer, SentenceEncoder(proposer.model.base_model, proposer.tokenizer, config.batch_size)

    def _attack(
        self, model: Model, task: Task, proposer: Proposer, encoder: SentenceEncoder
    ) -> tuple[list[Attacked], list[str], float]:
        """The examples with what came of them, the names of the classes, and how long it took."""
        from theseus_plugin.bert_attack.results import Attacked
        from theseus_plugin.bert_attack.target import load_texts
        from theseus_plugin.bert_attack.words import Text

        data = load_texts(model, task)
        numbers, side = self._drawn(len(data.texts["validation"])), self._side(data)
        texts = [data.texts["validation"][number] for number in numbers]
        labels = [int(data.splits["validation"][number]["labels"]) for number in numbers]
        originals = [Text.of(one[side]) for one in texts]
        outcomes, seconds = self._outcomes(model, task, data, proposer, texts, originals, labels)
        started = perf_counter()
        changed = [at for at, outcome in enumerate(outcomes) if outcome.changes]
        cosines = encoder.between([str(originals[at]) for at in changed], [str(outcomes[at].text) for at in changed])
        similar = dict(zip(changed, map(float, cosines), strict=True))
        attacked = [
            Attacked(numbers[at], texts[at], side, labels[at], outcome, similar.get(at), self.config.min_similarity)
            for at, outcome in enumerate(outcomes)
        ]
        names = [str(name) for _, name in sorted(data.head["id2label"].items())]
        return attacked, names, seconds + perf_counter() - started

    def _outcomes(
        self,
        model: Model,
        task: Task,
        data: TaskData,
        proposer: Proposer,
        texts: Sequence[tuple[str, ...]],
        originals: Sequence[Text],
        labels: Sequence[int],
    ) -> tuple[list[Outcome], float]:
        from theseus_plugin.bert_attack.search import attack, hold
        from theseus_plugin.bert_attack.target import Target
        from theseus_plugin.console import progress
        from theseus_plugin.measure.child import opened

        config, side = self.config, self._side(data)
        with (
            progress(f"attacks on {model.name}", len(texts)) as tick,
            opened(model, task.auto_class, config) as child,
        ):
            target = Target(model, child, data, config.batch_size)
            started = perf_counter()

            def answer(asked: Sequence[tuple[int, Text]]) -> np.ndarray:
                return target.logits([(*texts[at][:side], str(text), *texts[at][side + 1 :]) for at, text in asked])

            conversations = [
                attack(text, label, words, target.mask, config.max_changed, config.max_queries)
                for text, label, words in zip(originals, labels, proposer.propose(originals), strict=True)
            ]
            return hold(conversations, answer, tick), perf_counter() - started

    def _side(self, data: TaskData) -> int:
        side = ("first", "second").index(self.config.side)
        if side >= len(data.texts["validation"][0]):
            raise UserError("side: second: the task's examples are single texts, not pairs: leave it out")
        return side

    def _drawn(self, count: int) -> list[int]:
        """The numbers of the examples to attack, the same for every model."""
        wanted = min(self.config.samples, count)
        return sorted(random.Random(self.config.seed).sample(range(count), wanted))

    def _record(self, model: Model, attacked: Sequence[Attacked], seconds: float) -> dict[str, Any]:
        from theseus_plugin.bert_attack.results import summary

        config = self.config
        return {
            **summary(attacked),
            "seconds": round(seconds, 3),
            "options": config.model_dump(mode="json", exclude={"output"}),
            "similarity_by": config.sentence_encoder or f"mean-pooled states of {config.mlm}",
            "antonyms": "ruled out by word vectors" if config.word_vectors else "not ruled out: no word vectors given",
            **model.facts(),
        }


def _write(folder: Path, names: Sequence[str], records: Sequence[dict[str, Any]], shown: Sequence[Any]) -> None:
    """A JSON Lines file a model, and the page."""
    import json

    from theseus_plugin.bert_attack.report import page_of

    for number, lines in enumerate(shown, start=1):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{number}-{Path(names[number - 1]).name}.jsonl").write_text(text, encoding="utf-8")
    (folder / "attack.html").write_text(page_of(names, records, shown), encoding="utf-8")
