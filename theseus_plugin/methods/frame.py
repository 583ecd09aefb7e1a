"""What stands around every method that trains: from a predecessor's folder to a successor's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.contract import Method, Result, Task, as_recipe
from theseus_plugin.surgery.plan import Plan, kinds_of, notes, partition_of
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.publishing.artefact import Artefact
from theseus_plugin.training.run import TrainingRun


@dataclass(frozen=True)
class Built:
    """What a method makes of a predecessor, before anything is trained."""

    phases: Sequence[Phase]
    """What is trained, one after the other; their steps add up to those of the run."""
    parameters: Callable[[], Iterable[nn.Parameter]]
    """Gives all that any phase trains, once blocks are split over the processes."""
    successor: PreTrainedModel
    """The model that the weights of the last phase's outcome belong to; it is published."""
    plans: Sequence[Plan] = ()
    """Of the stacks that become shallower: what is to be known of them is told, and they stand in the record."""
    asked: Sequence[PreTrainedModel] = ()
    """Frozen models beside those that the phases ask, to be brought to the device."""
    untouched: Callable[[], AbstractContextManager[None]] = nullcontext
    """Within this the predecessor computes what it did before it was built upon, and is evaluated."""
    details: Callable[[], Mapping[str, Any]] = dict
    """What the method has to say of its own once it has trained, for the record's `training`."""
    more_files: Callable[[Path], None] = lambda folder: None
    """Writes what else belongs into the successor's folder."""
    artefact: Artefact | None = None
    """How that folder is written where it is in a format of the method's own; None: as a stock checkpoint."""


Build = Callable[[TrainingRun, PreTrainedModel, int], Built]
"""The part that differs: makes of a run, the predecessor that it loaded and its optimizer steps what is trained."""


def run_method(
    method: Method, training: TrainingConfig, predecessor: str, successor: str, task: Task, build: Build
) -> Result:
    """Read `predecessor`, train what `build` makes of it on `task`, write `successor`; see `Method.compress`.

    Args:
        method: named in the record, with its options.
        training: the options that say how to train.
        predecessor: folder or hub name of a fine-tuned model.
        successor: the folder to write.
        task: to train on.
        build: is called once, with the predecessor on this process's device unless blocks are split.

    Raises:
        UserError: as `TrainingRun`, `TrainingRun.load_model`, `build`, `Loop.run` and `TrainingRun.publish`.
    """
    run = TrainingRun(method.name, predecessor, successor, task, {"method": as_recipe(method)}, training)
    model = run.load_model()
    loop = run.loop()
    built = build(run, model, loop.steps)
    for note in notes(built.plans):
        run.console.print(note, markup=False)
    loop.place(built.phases, *built.asked)
    with built.untouched():
        before = run.evaluate(model)
    outcome = loop.run(built.phases, built.parameters)
    shape = {"partition": partition_of(built.plans), "kinds": kinds_of(built.plans)} if built.plans else {}
    details = {**shape, **built.details()}
    return run.publish(built.successor, outcome, before, details, built.more_files, built.artefact)
