"""The training loop: phases of optimizer steps over one optimizer, one data order and one learning rate."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import set_seed
from torch import nn

from theseus_plugin.contract import TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.training.batching import training_loader
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.evaluation import evaluate
from theseus_plugin.training.optimisation import build_lr_schedule, build_optimizer
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.progress import TrainingProgress

_READ_EVERY = 10
"""Steps between two readings of the loss: each one waits for the device."""


@dataclass
class Outcome:
    """What training came to."""

    best_step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the best evaluation, in the precision of training."""
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    """State of the resulting model at the best evaluation, on the CPU."""
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    evaluation_seconds: float = 0.0


class Loop:
    """Trains phases one after the other and keeps the weights of the best evaluation.

    The number of steps is known as soon as the loop is built, so that a method can divide it into phases.
    """

    def __init__(self, data: TaskData, config: TrainingConfig, accelerator: Accelerator) -> None:
        self.data = data
        self.config = config
        self.accelerator = accelerator
        loader, self._sampler = training_loader(data, config.batch_size, accelerator.num_processes, config.seed)
        self._loader = accelerator.prepare_data_loader(loader)
        steps_per_epoch = math.ceil(len(self._loader) / config.gradient_accumulation)
        self.steps = config.max_steps or max(1, round(config.epochs * steps_per_epoch))
        self.eval_steps = config.eval_steps or math.ceil(self.steps / 10)

    def run(self, phases: Sequence[Phase], parameters: Iterable[nn.Parameter]) -> Outcome:
        """Train. `parameters` are all that any phase trains; one without a gradient is left as it is.

        Raises:
            UserError: the loss is no longer a number.
        """
        set_seed(self.config.seed, device_specific=True)
        optimizer = self.accelerator.prepare_optimizer(build_optimizer(parameters, self.config))
        lr_schedule = build_lr_schedule(optimizer.optimizer, self.config, self.steps)
        run = _Run(self, optimizer, lr_schedule, TrainingProgress(self.steps, self.accelerator.is_main_process))
        with run.progress:
            for phase in phases:
                run.train(phase)
        return run.outcome

    def batches(self) -> Iterator[dict[str, torch.Tensor]]:
        """Training batches without end, each epoch in an order of its own."""
        set_epoch = getattr(self.data.splits["train"], "set_epoch", lambda epoch: None)
        while True:
            set_epoch(self._sampler.epoch)
            yield from self._loader
            self._sampler.epoch += 1


class _Run:
    """The moving parts of one `Loop.run`."""

    def __init__(self, loop: Loop, optimizer: Any, lr_schedule: Any, progress: TrainingProgress) -> None:
        self.loop = loop
        self.accelerator = loop.accelerator
        self.optimizer = optimizer
        self.lr_schedule = lr_schedule
        self.progress = progress
        self.outcome = Outcome()
        self.batches = loop.batches()
        self.step = 0
        self.micro_step = 0
        self.losses: list[torch.Tensor] = []
        self.loss = math.nan

    def train(self, phase: Phase) -> None:
        """All steps of one phase."""
        began, evaluation_before = time.perf_counter(), self.outcome.evaluation_seconds
        phase.start()
        self.progress.begins(phase.name, phase.steps, phase.model)
        model = self._prepare(phase)
        end = self.step + phase.steps
        while self.step < end:
            self._forward_backward(phase, model)
            if self.accelerator.sync_gradients:
                self._update(phase, model)
                self._after_step(phase)
        # The next phase wraps the same weights anew; two wrappers would both reduce their gradients.
        self.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        del model
        self.accelerator.free_memory()
        seconds = time.perf_counter() - began - (self.outcome.evaluation_seconds - evaluation_before)
        self.outcome.phases.append({"name": phase.name, "steps": phase.steps, "seconds": round(seconds, 2)})

    def _prepare(self, phase: Phase) -> nn.Module:
        handler = self.accelerator.ddp_handler or DistributedDataParallelKwargs()
        handler.find_unused_parameters = phase.unused_parameters
        self.accelerator.ddp_handler = handler
        model: nn.Module = self.accelerator.prepare_model(phase.model)
        return model.train()

    def _forward_backward(self, phase: Phase, model: nn.Module) -> None:
        batch = next(self.batches)
        phase.before_forward(self.step, self.micro_step)
        self.micro_step += 1
        with self.accelerator.accumulate(model):
            loss = model(**batch).loss
            self.accelerator.backward(loss)
        self.losses.append(loss.detach())

    def _update(self, phase: Phase, model: nn.Module) -> None:
        if self.loop.config.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(model.parameters(), self.loop.config.max_grad_norm)
        self.optimizer.step()
        self.lr_schedule.step()
        # Not the optimizer's zero_grad: a method may let gradients reach parameters that no optimizer holds.
        model.zero_grad(set_to_none=True)
        self.step += 1

    def _after_step(self, phase: Phase) -> None:
        evaluating = self.step % self.loop.eval_steps == 0 or self.step == self.loop.steps
        if evaluating or self.step % _READ_EVERY == 0:
            self._read_loss()
            figures = {**phase.figures(), "loss": self.loss, **self._headline()}
            self.progress.update(phase.name, self.step, figures)
            self.accelerator.log({**figures, "learning_rate": self.lr_schedule.get_last_lr()[0]}, step=self.step)
        if evaluating:
            self._evaluate(phase)

    def _read_loss(self) -> None:
        if self.losses:
            self.loss = torch.stack(self.losses).mean().item()
            self.losses.clear()
        if not math.isfinite(self.loss):
            raise UserError(
                f"the loss became {self.loss} at step {self.step}: lower learning_rate, or train with precision: fp32"
            )

    def _headline(self) -> dict[str, float]:
        metric = self.loop.data.metric
        return {metric: self.outcome.best[metric]} if self.outcome.best else {}

    def _evaluate(self, phase: Phase) -> None:
        began = time.perf_counter()
        metric = self.loop.data.metric
        with phase.result() as model:
            metrics = evaluate(model, self.loop.data, self.accelerator, self.loop.config.eval_batch_size)
            best = not self.outcome.best or self.loop.data.better(metrics[metric], self.outcome.best[metric])
            if best:
                self.outcome.best_step, self.outcome.best = self.step, metrics
                self.outcome.weights = {k: v.detach().to("cpu", copy=True) for k, v in model.state_dict().items()}
        phase.model.train()
        figures = {**phase.figures(), "loss": self.loss}
        self.outcome.evaluations.append({"step": self.step, "phase": phase.name, **figures, **metrics})
        self.progress.evaluated(phase.name, self.step, {**figures, **metrics}, best)
        self.accelerator.log({f"validation/{name}": value for name, value in metrics.items()}, step=self.step)
        self.outcome.evaluation_seconds += time.perf_counter() - began
