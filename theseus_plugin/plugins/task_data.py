"""The data of a task, checked where they come in: what is not as the contract says is told with the plugin's name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NoReturn

import numpy as np

from theseus_plugin.contract import IGNORED, Features, Task, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.options.plain import shown
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.defects import finite_number, kind_of

Collate = Callable[[Sequence[Features]], dict[str, np.ndarray]]
Score = Callable[[np.ndarray, np.ndarray], dict[str, float]]

_USUAL = {
    f"AutoModelFor{head}"
    for head in ("SequenceClassification", "TokenClassification", "ImageClassification", "MaskedLM", "CausalLM")
}
_REQUIRED = ("splits", "collate", "score", "metric", "head")
_KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("splits", "head", "truncated", "texts"), (Mapping, "mapping")),
    **dict.fromkeys(("collate", "score", "reduce"), (Callable, "function")),
    "metric": (str, "text"),
    "max_length": (int, "number of tokens"),
    "notes": (Sequence, "list of lines"),
    "lower_is_better": (Collection, "set of metrics"),
}


def load_data(
    task: Task, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
) -> TaskData:
    """`task.load`, as the contract says it is; `collate` and `score` are looked at again whenever they are called.

    Raises:
        UserError: what the task refuses, or it breaks the contract.
    """
    data = task.load(checkpoint, splits=splits, new_head=new_head)
    if breach := _breach(data, splits):
        refuse(task, breach)
    if not isinstance(data, TaskData):
        data = TaskData(**{one.name: getattr(data, one.name) for one in fields(TaskData) if hasattr(data, one.name)})
    return replace(
        data,
        collate=_checked_collate(task, data),
        score=_CheckedScore(task, data.score, data.metric),
        lower_is_better=frozenset(data.lower_is_better),
    )


def refuse(task: Task, breach: str) -> NoReturn:
    """Say what a task does that it must not.

    Raises:
        UserError: always.
    """
    raise UserError(f"{registry.described('task', task.name)} breaks the contract, {breach}: tell its author")


def check_auto_class(task: Task) -> None:
    """See that there is the class that loads a task's models.

    Raises:
        UserError: transformers has none of that name.
    """
    name = getattr(task, "auto_class", None)
    if name in _USUAL:  # transformers takes seconds to import
        return
    import transformers

    if not isinstance(name, str) or not name.startswith("AutoModel") or name not in dir(transformers):
        refuse(task, f"its auto_class {shown(name)} is no auto class of transformers")


def _breach(data: Any, splits: Sequence[str]) -> str | None:
    if lacking := [name for name in _REQUIRED if not hasattr(data, name)]:
        what = f", which lacks {', '.join(lacking)}" if len(lacking) < len(_REQUIRED) else ""
        return f"its data are {kind_of(data)}, no TaskData{what}"
    for name, (kind, word) in _KINDS.items():
        value = getattr(data, name, None)
        optional = name in ("reduce", "max_length") or not hasattr(data, name)
        wrong = isinstance(value, bool) or (isinstance(value, str) and kind is not str)
        if (wrong or not isinstance(value, kind)) and not (optional and value is None):
            return f"{name} of its data is {kind_of(value)}, no {word}"
    return _breach_of_head(data.head) or next(filter(None, (_breach_of_split(data, split) for split in splits)), None)


def _breach_of_head(head: Mapping[str, Any]) -> str | None:
    count, names = head.get("num_labels", 1), head.get("id2label", {})
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        return f"num_labels of its head is {shown(count)}, no number of labels"
    return None if isinstance(names, Mapping) else f"id2label of its head is {kind_of(names)}, no mapping"


def _breach_of_split(data: Any, split: str) -> str | None:
    examples = data.splits.get(split)
    if examples is None:
        return f"its data have no split {split!r}"
    if not hasattr(examples, "__len__") or not hasattr(examples, "__getitem__"):
        return f"its split {split!r} is {kind_of(examples)}, no sequence of examples"
    if len(examples) == 0:
        return f"its split {split!r} is empty"
    first = examples[0]
    if not isinstance(first, Mapping) or "labels" not in first:
        return f"the first example of its split {split!r} is {kind_of(first)}, no mapping with labels"
    texts = getattr(data, "texts", {}).get(split, ())
    if not hasattr(texts, "__len__") or len(texts) not in (0, len(examples)):
        return f"its split {split!r} has {len(examples)} examples, and its texts are not as many"
    return None


def _checked_collate(task: Task, data: TaskData) -> Collate:
    def collate(examples: Sequence[Features]) -> dict[str, np.ndarray]:
        batch = data.collate(examples)
        if not isinstance(batch, Mapping):
            refuse(task, f"its collate gives {kind_of(batch)}, no mapping")
        for name, array in batch.items():
            kinds, word = ("iu", "integers") if name == "input_ids" else ("biuf", "numbers")
            if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
                what = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else kind_of(array)
                refuse(task, f"its collate gives {shown(name)} as {what}, no array of {word}")
            if name in ("labels", "input_ids") and len(array) != len(examples):
                refuse(task, f"its collate gives {len(array)} rows of {name} of {len(examples)} examples")
        if "labels" not in batch:
            refuse(task, "its collate gives no labels")
        _refuse_unknown_labels(task, batch["labels"], data.head)
        return dict(batch)

    return collate


def _refuse_unknown_labels(task: Task, labels: np.ndarray, head: Mapping[str, Any]) -> None:
    """Classes that the head does not have; labels that are no classes are not judged."""
    count = head.get("num_labels", len(head.get("id2label", ())))
    if count < 2 or labels.dtype.kind not in "iu" or head.get("problem_type", "") not in ("", None, _CLASSES):
        return
    strange = labels[(labels != IGNORED) & ((labels < 0) | (labels >= count))]
    if strange.size:
        refuse(task, f"there is a label {strange.flat[0]}, and its head has {count} labels, from 0 on")


_CLASSES = "single_label_classification"


@dataclass(frozen=True)
class _CheckedScore:
    """A task's score that refuses what is no number."""

    task: Task
    score: Score
    metric: str

    def __call__(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        found = self.score(logits, labels)
        if not isinstance(found, Mapping) or self.metric not in found:
            refuse(self.task, f"its score gives {shown(found)}, no mapping with {self.metric!r}")
        for name, value in found.items():
            if not finite_number(value):
                refuse(self.task, f"its score gives {shown(name)} as {kind_of(value)}, no finite number")
        return {name: float(value) for name, value in found.items()}


def unchecked(score: Score) -> Score:
    """A score for draws or few examples, which need not define a metric: it may be no number there."""
    return score.score if isinstance(score, _CheckedScore) else score
