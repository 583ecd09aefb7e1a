"""The model that is attacked, as it would be deployed: in a process of its own, by whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from theseus_plugin.checkpoint import load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.predict import predict
from theseus_plugin.tasks.tokens import tokenize

if TYPE_CHECKING:
    from theseus_plugin.contract import Task, TaskData
    from theseus_plugin.measure.child import Child
    from theseus_plugin.measure.models import Model
    from theseus_plugin.vocabulary import Batch


class Target:
    """A classifier of texts, asked in batches of similar length.

    Args:
        model: where it lies.
        child: the process that holds it; open.
        data: the task's examples, made for it.
        batch_size: texts per call.
    """

    def __init__(self, model: Model, child: Child, data: TaskData, batch_size: int) -> None:
        self._name, self._child, self._data, self._size = model.name, child, data, batch_size
        self._tokenizer = load_tokenizer(str(model.folder))

    @property
    def mask(self) -> str:
        """What stands for a word that is to say nothing."""
        return str(self._tokenizer.mask_token or self._tokenizer.unk_token)

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """(texts, classes)."""
        columns = list(zip(*texts, strict=True))
        length = self._data.max_length or self._tokenizer.model_max_length
        examples, _ = tokenize(self._tokenizer, columns, [0] * len(texts), length)
        (logits,) = predict(self._name, self._answer, examples, self._data.collate, self._size)
        return logits

    def _answer(self, batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        finite, rows, _, _ = self._child.ask("predict", batch=batch, labels=labels)
        return finite, rows


def load_texts(model: Model, task: Task) -> TaskData:
    """The validation examples of a task that can be attacked.

    Raises:
        UserError: what the task refuses; it is not one that classifies texts.
    """
    data = load_data(task, str(model.folder), splits=("validation",))
    classifies = data.reduce is None and data.head.get("num_labels", 1) > 1
    if not (classifies and data.texts.get("validation")):
        raise UserError(
            f"task {task.name!r} cannot be attacked: bert-attack changes the words of texts until a classifier names"
            " another class; give a task such as text-classification"
        )
    return data
