"""A run from a checkpoint to a checkpoint: what stands around the loop, the same for every method that trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import GradientAccumulationPlugin, broadcast_object_list, parse_flag_from_env, set_seed
from torch import Tensor
from transformers import PreTrainedModel

from theseus_plugin.checkpoint import count_parameters, load_model, load_processor
from theseus_plugin.contract import Result, Task, as_recipe
from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.files import complete_folder, refuse_existing, write_json
from theseus_plugin.formats import refuse_own_format
from theseus_plugin.launching.asked_for import check_launch
from theseus_plugin.options.validation import flattened
from theseus_plugin.plugins.task_data import load_data
from theseus_plugin.provenance import environment
from theseus_plugin.quiet import quiet
from theseus_plugin.training.batches import refuse_unlabelled
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.display import training_console
from theseus_plugin.training.evaluation import evaluate
from theseus_plugin.training.loop import Loop
from theseus_plugin.training.precision import resolve_precision
from theseus_plugin.training.publishing.artefact import Artefact
from theseus_plugin.training.publishing.model_card import model_card
from theseus_plugin.training.publishing.rounding import name_precision, precisions_of
from theseus_plugin.training.readback import check_folder
from theseus_plugin.training.resuming import fingerprints
from theseus_plugin.training.resuming.checkpoints import Checkpoints
from theseus_plugin.training.resuming.snapshot import Outcome, put_weights
from theseus_plugin.training.sharding import is_split


class TrainingRun:
    """Opens with the checks that cost nothing, starts Accelerate and reads the data; ends with `publish`.

    Args:
        kind: `fit`, or the name of the method.
        source: checkpoint to start from, a folder or a hub name.
        output: folder to write.
        task: the task to train on.
        options: everything the user chose beside the task, as it goes into `result.json`.
        config: how to train.
        new_head: whether the head of `source` is to be trained anew.

    Raises:
        UserError: `output` exists, `source` is in a method's own format, an unknown or missing tracker, what the task
            finds wrong with its data, or a split without any label that counts.
    """

    def __init__(
        self,
        kind: str,
        source: str,
        output: str,
        task: Task,
        options: dict[str, Any],
        config: TrainingConfig,
        new_head: bool = False,
    ) -> None:
        refuse_existing(output)
        refuse_own_format(source)
        self.began = time.perf_counter()
        self.kind = kind
        self.source = source
        self.output = output
        self.task = task
        self.config = config
        self.recipe = {"task": as_recipe(task), **options}
        self.accelerator = start_accelerator(config, self.recipe)
        self.console = training_console(self.accelerator.is_main_process)
        self.checkpoints = Checkpoints(output, {"model": source, **self.recipe}, self.accelerator, self.console)
        if not config.resume:
            self.checkpoints.refuse_existing()
        self.new_head = new_head
        with self.accelerator.main_process_first():
            self.data = load_data(task, source, new_head=new_head)
        refuse_unlabelled(self.data)
        for split, fingerprint in fingerprints.of_examples(self.data).items():
            self.checkpoints.inputs[f"the examples of {split}, or what makes them, as the tokenizer"] = fingerprint
        self._say_truncated()

    def load_model(self) -> PreTrainedModel:
        """The source with the task's head, in fp32; new weights follow the seed.

        It is on this process's device, but where blocks are split: then `Loop.place` brings it there.
        """
        set_seed(self.config.seed)
        model = load_model(self.source, self.task.auto_class, self.data.head if self.new_head else None)
        self.parameters_before = count_parameters(model)
        self.checkpoints.inputs[f"weights or configuration of {self.source}"] = fingerprints.of_model(model)
        if is_split(self.config, self.accelerator):
            return model
        return model.to(self.accelerator.device)

    def loop(self) -> Loop:
        """The training loop over this run's data."""
        return Loop(self.data, self.config, self.accelerator, self.checkpoints)

    def evaluate(self, model: PreTrainedModel) -> dict[str, float]:
        """Validation metrics in fp32."""
        return evaluate(model, self.data, self.accelerator, self.config.eval_batch_size)

    def publish(
        self,
        model: PreTrainedModel,
        outcome: Outcome,
        before: dict[str, float],
        details: dict[str, Any] | None = None,
        more_files: Callable[[Path], None] = lambda folder: None,
        artefact: Artefact | None = None,
    ) -> Result:
        """Put the best weights into `model`, rounded to what the source is saved in, and write it: stock checkpoint,
        tokenizer, model card, `result.json`. A folder in a method's own format is scored as its method reads it.

        Args:
            model: the model that the weights of `outcome` belong to.
            outcome: what the loop returned.
            before: validation metrics of the source; empty where it had no head.
            details: what the method has to say of its own, added to the record's `training`.
            more_files: writes what else belongs into the folder.
            artefact: how the folder is written that is no stock checkpoint; its weights are not rounded.

        Raises:
            UserError: no evaluation chose any weights, the output cannot be written, or stock transformers, or the
                method, would not read it back as it was trained; nothing is left of it then.
        """
        if not outcome.weights:
            raise UserError(f"{self.output}: this run chose no weights to write, so nothing was written: start it anew")
        weights = self._rounded(outcome.weights) if artefact is None else outcome.weights
        put_weights(model, weights)
        after = self.evaluate(model) if artefact is None else {}
        result = Result(
            kind=self.kind,
            model=self.source,
            output=self.output,
            metric=self.data.metric,
            lower_is_better=sorted(self.data.lower_is_better),
            before=before,
            after=after,
            parameters={"before": self.parameters_before, "after": count_parameters(model)},
            recipe=self.recipe,
            training=self._training_record(outcome, details or {}),
            environment=environment() | self._hardware(),
        )
        if self.accelerator.is_main_process:
            with complete_folder(self.output) as folder:
                if artefact is None:
                    self._write_stock(folder, model, weights)
                else:
                    artefact.write(folder, model, weights)
                load_processor(self.source, model).save_pretrained(folder)
                if artefact is not None:
                    result["after"] = artefact.score(
                        folder, self.task.auto_class, self.data, self.accelerator.device, self.config.eval_batch_size
                    )
                    result["format"] = artefact.format
                (folder / "README.md").write_text(model_card(result, model, self.task.auto_class), encoding="utf-8")
                more_files(folder)
                write_json(folder / "result.json", result)
        self.accelerator.wait_for_everyone()
        if artefact is not None:  # which the first process alone has read
            [result] = broadcast_object_list([result])
        self.checkpoints.clear()
        for tracker in self.accelerator.trackers:
            tracker.finish()  # and not `end_training`: the process group is left to further runs in these processes
        return result

    def _rounded(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights as the source is saved."""
        precisions = precisions_of(self.source)
        rounded = precisions.rounded(weights)
        if precisions.usual == torch.float16 and all(tensor.dtype != torch.float16 for tensor in rounded.values()):
            self.console.print("saved in fp32: fp16, as the source is saved, is too narrow for the weights")
        return rounded

    def _write_stock(self, folder: Path, model: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
        """A checkpoint that stock transformers reads back."""
        with quiet():
            model.save_pretrained(folder, state_dict=dict(weights))
        name_precision(model.config, weights)  # `save_pretrained` says what the model trained in
        model.config.save_pretrained(folder)
        check_folder(folder, model, self.task.auto_class, self.data.head)

    def _training_record(self, outcome: Outcome, details: dict[str, Any]) -> dict[str, Any]:
        return {
            "examples": {split: len(examples) for split, examples in self.data.splits.items()},
            "truncated": dict(self.data.truncated),
            "phases": outcome.phases,
            "seconds": round(time.perf_counter() - self.began + outcome.seconds_before, 1),
            "evaluation_seconds": round(outcome.evaluation_seconds, 1),
            "best_step": outcome.best_step,
            "resumed_at": outcome.resumed_at,
            "evaluations": outcome.evaluations,
            **details,
        }

    def _hardware(self) -> dict[str, Any]:
        return {
            "device": str(self.accelerator.device),
            "processes": self.accelerator.num_processes,
            "precision": "fp32" if self.accelerator.mixed_precision == "no" else self.accelerator.mixed_precision,
            "seed": self.config.seed,
        }

    def _say_truncated(self) -> None:
        for note in self.data.notes:
            self.console.print(note, markup=False)
        for split, cut in self.data.truncated.items():
            if cut:
                self.console.print(
                    f"{split}: {cut:,} of {len(self.data.splits[split]):,} examples were cut to max_length"
                )


def start_accelerator(config: TrainingConfig, recipe: dict[str, Any]) -> Accelerator:
    """Accelerate as this run needs it: precision, processes, trackers.

    Raises:
        UserError: a tracker that is unknown or not installed, or what `check_launch` refuses.
    """
    _check_trackers(config.trackers)
    check_launch(config.sharding, config.gradient_accumulation)
    AcceleratorState._reset_state()  # an earlier run in this process may have used another precision
    # Accelerate takes the ranks of a CPU run for single processes unless it is told.
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    precision = resolve_precision(config, PartialState(cpu=cpu).device)
    accelerator = Accelerator(
        cpu=cpu,
        mixed_precision="no" if precision == "fp32" else precision,
        # else it reads the launcher's number and divides every loss by it; Stepper has weighed the passes
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        log_with=list(config.trackers) or None,
        project_dir=config.tracker_folder if config.trackers else None,
    )
    accelerator.init_trackers("theseus-plugin", config=_plain(recipe))
    return accelerator


def _check_trackers(trackers: tuple[str, ...]) -> None:
    available = {str(tracker) for tracker in get_available_trackers()}
    for name in trackers:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise UserError(f"unknown tracker {name!r}: {did_you_mean(name, LOGGER_TYPE_TO_CLASS)}")
        if name not in available:
            raise UserError(f"tracker {name!r} is not installed: pip install it, or remove it from training.trackers")


def _plain(recipe: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """Options with plain values: trackers take nothing else."""
    return {
        key: value if isinstance(value, str | int | float | bool) else str(value)
        for key, value in flattened(recipe).items()
    }
