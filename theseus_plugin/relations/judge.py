"""What a model says of paths, through the runtime it would be deployed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from theseus_plugin.contract import Features
from theseus_plugin.errors import UserError
from theseus_plugin.measure.child import Child, opened
from theseus_plugin.predict import predict
from theseus_plugin.relations.examples import FALSE, TRUE
from theseus_plugin.relations.task import CLASSES
from theseus_plugin.tasks.tokens import Padding

if TYPE_CHECKING:
    from theseus_plugin.measure.models import Model
    from theseus_plugin.relations.config import Judging
    from theseus_plugin.vocabulary import Batch

CHUNK = 8192
"""Examples that are in memory at once; batches of similar length are made among them."""
Examples = Mapping[str, Sequence[Any]]
"""By column."""


class Judge:
    """A model that tells true facts from false ones, in a process of its own."""

    def __init__(self, model: Model, child: Child, padding: Padding, batch_size: int) -> None:
        self._model, self._child, self._padding, self._size = model, child, padding, batch_size
        self._judged = 0

    def log_odds(
        self, examples: Examples, inputs: Sequence[str], told: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Of being true, one a path.

        Args:
            examples: `inputs` and `labels` among their columns.
            inputs: names of the model's inputs.
            told: called after each batch.

        Raises:
            UserError: a head of other classes, or logits that are not finite.
        """

        def answer(batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
            finite, rows, _, width = self._child.ask("predict", batch=batch, labels=labels)
            if width != len(CLASSES):
                raise UserError(f"{self._model.name}: its head gives {width} logits, a fact is false or true")
            told()
            return finite, rows

        names = [*inputs, "labels"]
        rows: list[Features] = [
            dict(zip(names, row, strict=True)) for row in zip(*(examples[name] for name in names), strict=True)
        ]
        (logits,) = predict(self._model.name, answer, rows, self._padding, self._size, 1 + self._judged)
        self._judged += len(rows)
        odds: np.ndarray = logits[:, TRUE] - logits[:, FALSE]
        return odds


@contextmanager
def judging(model: Model, auto_class: str, config: Judging, tokenizer: Any) -> Iterator[Judge]:
    """A model that is ready to judge, until the end of the block."""
    with opened(model, auto_class, config) as child:
        yield Judge(model, child, Padding.of(tokenizer, "int64"), config.batch_size)
