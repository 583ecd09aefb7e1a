"""What plugins of each kind offer, and the records that pass between them: version 1.

A plugin is a class behind an entry point. It need not inherit from anything here: what counts is that it
has `name`, `summary`, `Config` and its one verb (`compress`, `fit`, `load`, `evaluate` or `rate_at`). The classes below
state that contract, for readers and for type checkers. A toolkit needs `importlib.metadata` and this:

    Method = entry_point.load()
    Method.Config.model_json_schema()                     # the options, as JSON schema
    method = Method(Method.Config.model_validate(options))
    record = method.compress("predecessor/", "successor/", task)

What the user can mend is raised as an exception with a true `mendable`, its text one line that says what is wrong,
where, and what to do; `theseus_plugin.errors.UserError` is one. Anything else is a defect of the plugin.

The names of the entry points' groups are the version. `docs/plugins.md` says what may change within it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from pydantic import BaseModel
    from torch import Tensor
    from torch.nn import Module

Features = Mapping[str, Any]
"""One example as the model's forward takes it, unpadded: `input_ids` and what goes with them, or `pixel_values`, and
`labels`."""


IGNORED = -100
"""The label of a token that nobody asks about: no loss and no metric counts it."""


class Plugin(ABC):
    """What every kind of plugin has. Instances hold a validated configuration and do no work before the verb."""

    name: ClassVar[str]
    """The name it is registered under, by its entry point too."""
    summary: ClassVar[str]
    """One line for listings."""
    Config: ClassVar[type[BaseModel]]
    """Its options, a pydantic model: `Config.model_validate(mapping)` validates, raising a ValueError or something
    `mendable`, and `Config.model_json_schema()` describes. Every option has a description;
    its schema may hold `search`: values worth trying, for toolkits that search over options."""
    config: BaseModel
    """The options of this instance, of class `Config`."""

    def __init__(self, config: BaseModel | None = None) -> None:
        """Keep `config`; None: a class with a constructor of its own has kept it, or will."""
        if config is not None:
            self.config = config


def as_recipe(plugin: Plugin) -> dict[str, Any]:
    """A plugin's section of a recipe: its name and its options in full, as JSON."""
    return {"name": plugin.name, **plugin.config.model_dump(mode="json")}


Reduce = Callable[["Tensor", "Tensor"], tuple["Tensor", "Tensor"]]
"""What a score needs of a batch's logits and labels; see `TaskData.reduce`."""


def reduce_arrays(reduce: Reduce | None, logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `reduce` makes of arrays; None: both as they are."""
    if reduce is None:
        return logits, labels
    import torch

    rows, answers = reduce(torch.from_numpy(logits), torch.from_numpy(labels))
    return rows.numpy(), answers.numpy()


@dataclass(frozen=True)
class TaskData:
    """A task's examples, made for one checkpoint, and how predictions on them are scored."""

    splits: Mapping[str, Sequence[Features]]
    """Examples by split, `train` and `validation`; only the splits asked for. A split may make its examples when they
    are asked for, as images are. A split may have `set_epoch(epoch)`; the loop, and nobody else, calls it before each
    epoch and when it resumes a run. What an example is then depends on the epoch and its number alone. A split that
    makes its examples may have `fingerprint()`, a text that changes with them: a run is only resumed on what it was
    begun on."""
    collate: Callable[[Sequence[Features]], dict[str, np.ndarray]]
    """Pads examples to the longest among them and stacks them: arrays of shape (batch, length), `labels` too."""
    score: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    """Metrics by name from the (logits, labels) of any examples, as `reduce` leaves them, one row an example."""
    metric: str
    """The metric that chooses the best checkpoint."""
    head: Mapping[str, Any]
    """Config fields of the model's head, as `from_pretrained` takes them: `num_labels`, `id2label`, ..."""
    truncated: Mapping[str, int] = field(default_factory=dict)
    """How many examples of each split were cut to the maximal length."""
    texts: Mapping[str, Sequence[tuple[str, ...]]] = field(default_factory=dict)
    """The texts by split, one or two strings an example, in the order of `splits`; empty where examples are not texts.
    The checkpoint's tokenizer, cutting at `max_length`, makes the inputs of them."""
    max_length: int | None = None
    """Tokens to which examples are cut, special ones included, at most what the checkpoint takes; None: what its
    tokenizer takes."""
    reduce: Reduce | None = None
    """What `score` needs of a batch's logits and labels, one row of a fixed width an example, on the same device;
    None: both as they are. Logits of every token are too many to keep, and of other lengths in every batch. It pickles.
    """
    lower_is_better: frozenset[str] = frozenset()
    """The metrics of which less is better, such as `perplexity`. See `theseus_plugin.metric_scale`."""
    notes: Sequence[str] = ()
    """Lines that a run says once, such as what of the examples has no effect."""

    def reduced(self, logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`reduce` for arrays."""
        return reduce_arrays(self.reduce, logits, labels)

    def better(self, new: float, old: float) -> bool:
        """Whether `new` is a better value of `metric` than `old`."""
        return new < old if self.metric in self.lower_is_better else new > old


class Task(Plugin):
    """Where examples and the metric come from."""

    auto_class: ClassVar[str]
    """Name of the `transformers` auto class that loads a model with the head this task trains."""

    @abstractmethod
    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        """Read `splits`, prepared by the tokenizer or image processor of `checkpoint` (a folder or a hub name).

        Label ids follow the checkpoint's own head, unless `new_head` says that the head is yet to be trained.

        Raises:
            UserError: missing file or column, a label the head does not have, an empty split.
        """


class Format(TypedDict):
    """How a folder that is no stock checkpoint is kept."""

    method: str
    """Name of the method whose `load` reads it."""
    precision: str
    """What it computes in: a word of small letters, digits and hyphens, such as `int8`."""


class _Told(TypedDict):
    """What is in every `Result`."""

    kind: str
    """`fit`, or the name of the method."""
    model: str
    """The folder or hub name that was read."""
    output: str
    """The folder that was written."""
    metric: str
    """Name of the metric that chose the checkpoint."""
    lower_is_better: list[str]
    """The metrics of which less is better."""
    before: dict[str, float]
    """Validation metrics of the model that was read; empty for a fit, whose head was new."""
    after: dict[str, float]
    """Validation metrics of the model that was written, measured on what was saved, in fp32 or as its format computes.
    """
    parameters: dict[str, int]
    """Number of parameters, `before` and `after`."""
    recipe: dict[str, Any]
    """The sections `task` and `method` (of a fit: `fit`) with all options, defaults included, as `as_recipe` gives
    them (of the fitter `plain` without its name); enough to run it again."""
    training: dict[str, Any]
    """`seconds` in all, and what the method has to say of its own: steps, seconds by phase, evaluations, ..."""
    environment: dict[str, Any]
    """What is known of versions, git revision, device, processes."""


class Result(_Told, total=False):
    """What a run of `fit` or of a method reports, as JSON; the same is written to `result.json` in its output folder.

    All keys but `format` are there, and there may be more.
    """

    format: Format
    """Of a folder that its method alone reads, see `FormatMethod`; left out of one that is a stock checkpoint."""


@dataclass(frozen=True)
class GraphStage:
    """What a method does to the ONNX graph of a folder of its format."""

    name: str
    """Stands in the record of the export."""
    change: Callable[[Path, Path], Any]
    """Writes what it makes of the first `.onnx` file to the second, and gives something true. The logits are compared
    with the folder's after it; a stage that changes nothing, or changes them too much, ends the export."""


@dataclass(frozen=True)
class GraphPlan:
    """How `export` makes an ONNX graph of a folder in a method's format."""

    stages: Sequence[GraphStage] = ()
    """Done one after the other, behind ours."""
    tolerance: float | None = None
    """Largest difference of a logit that passes where the user gives none; None: that of a stock checkpoint."""
    precision: str | None = None
    """What the graph computes in, as in `Format`; None: what the folder does."""
    write: Callable[[Any, Mapping[str, np.ndarray], Path, int], Any] | None = None
    """Writes the graph of a module that `load` gave, of a batch with its inputs, to a file, in a version of the ONNX
    operators: inputs by the batch's names, batch and length of any size, the output `logits`. PyTorch's exporters and
    our stages are left out then. None: they make it."""


class Method(Plugin):
    """Compresses a fine-tuned model."""

    @abstractmethod
    def compress(self, predecessor: str, successor: str, task: Task) -> Result:
        """Read the folder `predecessor`, write the folder `successor`, complete or not at all.

        Called once on every process of a distributed run; the first one writes.

        Raises:
            UserError: what the user can mend, `successor` being there already included; nothing is written then.
        """


class FormatMethod(Method):
    """A method whose folders are no stock checkpoints: it reads them itself.

    They hold a stock `config.json`, the tokenizer, `result.json` with `format`, and weights in `model.safetensors` or
    in shards of it; what else they need is in further safetensors files beside it, which count as the model's, too.
    """

    @classmethod
    @abstractmethod
    def load(cls, folder: str, auto_class: str) -> Module:
        """The model of a folder, for the task's `auto_class`, on the CPU; reads JSON and safetensors, and runs nothing.

        It is called with the inputs that its `forward` names and the task has, on the device that it was moved to, and
        gives an object with the `logits` that a stock model of that class would have. Its `config` is that of the
        folder. It is put into eval mode and told its `name_or_path`.

        Raises:
            UserError: what the user can mend; any other exception becomes one line as well.
        """

    @classmethod
    def graph_plan(cls, folder: str) -> GraphPlan:
        """How `export` makes an ONNX graph of a folder."""
        return GraphPlan()


class Fitter(Plugin):
    """Makes the model that a method compresses, of a pretrained one."""

    @abstractmethod
    def fit(self, model: str, predecessor: str, task: Task) -> Result:
        """Train `model` (a folder or a hub name) with a new head, write the folder `predecessor`, complete or not at
        all.

        Called once on every process of a distributed run; the first one writes.

        Raises:
            UserError: what the user can mend, `predecessor` being there already included; nothing is written then.
        """


class Evaluator(Plugin):
    """Measures models, several at once so that it can compare them fairly."""

    @abstractmethod
    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """One JSON-like record per model (ONNX folder or checkpoint folder), in the order given.

        Raises:
            UserError: what the user can mend.
        """


class Schedule(Plugin):
    """How the replacing rate moves with the optimizer steps."""

    @abstractmethod
    def rate_at(self, step: int, total: int) -> float:
        """The rate after `step` optimizer steps of `total`, above 0 and at most 1; a function of its arguments alone.

        The replacing phase ends where the rate is 1 to the end.
        """
