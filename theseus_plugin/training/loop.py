"""The training loop: phases of optimizer steps, one after the other."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from transformers import PreTrainedModel

from theseus_plugin.contract import TaskData
from theseus_plugin.errors import Interrupted
from theseus_plugin.surgery.stack import find_stacks
from theseus_plugin.training.batches import BatchStream
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.display import TrainingProgress
from theseus_plugin.training.evaluation import evaluate
from theseus_plugin.training.failures import process_loss_in_words, refuse_lost_numbers
from theseus_plugin.training.interrupts import Interrupts
from theseus_plugin.training.optimizers import Optimizers
from theseus_plugin.training.phase import Phase
from theseus_plugin.training.precision import autocast
from theseus_plugin.training.resuming import fingerprints, snapshot
from theseus_plugin.training.resuming.checkpoints import Checkpoints
from theseus_plugin.training.resuming.snapshot import Outcome, Position, weights_of
from theseus_plugin.training.running_loss import RunningLoss
from theseus_plugin.training.sharding import is_split, shard
from theseus_plugin.training.step import Passed, Stepper
from theseus_plugin.training.streams import Streams
from theseus_plugin.training.training_mode import fast_dropout, trainable_settings

_READ_EVERY = 10
"""Steps between two readings of the loss where each one would wait for the device."""


class Loop:
    """Trains phases one after the other and keeps the weights of the best evaluation.

    The number of steps is known as soon as the loop is built, so that a method can divide it into phases.
    """

    def __init__(
        self, data: TaskData, config: TrainingConfig, accelerator: Accelerator, checkpoints: Checkpoints
    ) -> None:
        self.data = data
        self.config = config
        self.accelerator = accelerator
        self.checkpoints = checkpoints
        self.batches = BatchStream(data, config, accelerator)
        steps_per_epoch = math.ceil(len(self.batches) / config.gradient_accumulation)
        self.steps = config.steps(steps_per_epoch)
        self.eval_steps = config.eval_steps or math.ceil(self.steps / 10)
        self.sharded = is_split(config, accelerator)

    def place(self, phases: Sequence[Phase], *more: PreTrainedModel) -> None:
        """Bring the models of all phases, and `more`, to this process's device.

        Where `sharding` says so their blocks are split, one after the other, so that a whole model is never there.
        Called before anything runs; what is there already stays.
        """
        asked = [model for phase in phases for model in phase.asked()] + list(more)
        if self.sharded:
            own = (block for phase in phases for block in phase.blocks())
            frozen = (block for model in asked for stack in find_stacks(model) for block in stack.blocks(model))
            shard((*own, *frozen), self.accelerator)
        for model in (*(model for phase in phases for model in (phase.model, phase.outcome)), *asked):
            model.to(self.accelerator.device)

    def run(self, phases: Sequence[Phase], parameters: Callable[[], Iterable[nn.Parameter]]) -> Outcome:
        """Train, from the last checkpoint where the run is to be resumed and there is one.

        Args:
            phases: in order; their steps add up to `steps`.
            parameters: gives all that is trained up to the first phase with parameters of its own, once blocks are
                split; one without a gradient is left as it is.

        Raises:
            UserError: the loss is no longer a number, the checkpoint is of another recipe, or a phase's own data has
                no label that counts.
            Interrupted: a signal asked to stop; a checkpoint was written.
            ProcessLost: another process of the run died.
        """
        set_seed(self.config.seed, device_specific=True)
        self.place(phases)
        for name, data in {id(phase.data): (phase.name, phase.data) for phase in phases}.values():
            for split, fingerprint in fingerprints.of_examples(data).items() if data is not None else ():
                self.checkpoints.inputs[f"the examples of {split} in the phase {name}"] = fingerprint
        streams = Streams(phases, self.data, self.batches, self.config, self.accelerator)
        run = _Run(self, phases, streams, Optimizers(self.accelerator, self.config, phases, parameters))
        with ExitStack() as stack:
            stack.enter_context(process_loss_in_words(self.accelerator.num_processes, run.where_it_stands))
            stack.enter_context(run.interrupts)
            stack.enter_context(run.progress)
            if self.accelerator.device.type == "cpu":
                stack.enter_context(fast_dropout())
            if self.config.resume:
                run.resume()
            for number in range(run.position.finished, len(phases)):
                run.train(number)
        return run.outcome


class _Run:
    """The moving parts of one `Loop.run`."""

    def __init__(self, loop: Loop, phases: Sequence[Phase], streams: Streams, optimizers: Optimizers) -> None:
        self.loop = loop
        self.config = loop.config
        self.accelerator = loop.accelerator
        self.phases = phases
        self.streams = streams
        self.optimizers = optimizers
        self.stepper: Stepper
        self.started: int | None = None
        self.interrupts = Interrupts()
        self.progress = TrainingProgress(loop.steps, loop.checkpoints.console)
        self.outcome = Outcome()
        self.position = Position()
        self.began = time.perf_counter()
        self.losses = RunningLoss()
        self.on_cpu = loop.accelerator.device.type == "cpu"
        self.saved: int | None = None

    def train(self, number: int) -> None:
        """What is left of a phase."""
        phase = self.phases[number]
        end = sum(one.steps for one in self.phases[: number + 1])
        with trainable_settings(phase.model):
            self._begin(number)
            while self.position.step < end:
                self._step(phase)
            self._read_clock()
            self.position.finished = number + 1
            phase.finish(partial(self._metrics, phase))

    def resume(self) -> None:
        """Go back to the newest checkpoint, if there is one."""
        folder = self.loop.checkpoints.newest()
        if folder is None:
            self.progress.say("no checkpoint to resume from: starting at the first step")
            return
        self._take_up(folder)
        self.saved = self.position.step
        self.outcome.resumed_at.append(self.position.step)
        steps = sum(phase["seconds"] for phase in self.outcome.phases)
        self.outcome.seconds_before = steps + self.outcome.evaluation_seconds
        self.progress.say(f"resuming after step {self.position.step}, from {folder}")

    def _take_up(self, folder: Path) -> None:
        """What a checkpoint holds is loaded last, over what phases change when they start and when they are done."""
        with snapshot.strange_in_words(folder):
            self.position, self.outcome, more = snapshot.read_state(folder)
            number, step = self.position.finished, self.position.step
            if step > self.loop.steps or not 0 <= number < len(self.phases):
                raise ValueError(f"it is at step {step} of {self.loop.steps}, in phase {number + 1}")
            for phase, state in zip(self.phases, more["phases"], strict=True):
                phase.restore(state)
        for done, phase in enumerate(self.phases[:number]):
            self.optimizers.stepper(done, carrying=False)
            with trainable_settings(phase.model):
                phase.finish(partial(self._metrics, phase))
        self._start(number, carrying=False)
        with snapshot.strange_in_words(folder):
            outcome = self.phases[number].outcome
            snapshot.load(folder, self.accelerator, outcome, self.stepper.optimizer, self.outcome)
            self.stepper.lr_schedule.load_state_dict(more["lr_schedule"])
            self.losses.restore(more["loss"], more["unread"], self.accelerator.device)
            self.streams.start_at(more["data"])

    def where_it_stands(self) -> str:
        """The last good checkpoint, for a message that ends the run."""
        if self.saved is None:
            return "there was no checkpoint yet"
        return f"the last good checkpoint is that of step {self.saved}, in {self.loop.checkpoints.folder}"

    def _start(self, number: int, carrying: bool) -> None:
        phase = self.phases[number]
        with trainable_settings(phase.model):
            phase.start()
        self.stepper = self.optimizers.stepper(number, carrying)
        self.started = number

    def _begin(self, number: int) -> None:
        phase = self.phases[number]
        if len(self.outcome.phases) == number:
            self.outcome.phases.append({"name": phase.name, "steps": phase.steps, "seconds": 0.0})
        self.began = time.perf_counter()
        if self.started != number:
            self._start(number, carrying=True)
        if snapshot.unlike(self.outcome.weights, phase.outcome):
            self.outcome.forget_best()
        phase.model.train()
        self.progress.begins(phase.name, phase.steps, phase.model)

    def _read_clock(self) -> None:
        """Add the seconds since the last reading to the phase; evaluations read it before and start it anew after."""
        now = time.perf_counter()
        self.outcome.phases[-1]["seconds"] = round(self.outcome.phases[-1]["seconds"] + now - self.began, 3)
        self.began = now

    def _step(self, phase: Phase) -> None:
        batches = self.streams.of(self.position.finished).take(self.config.gradient_accumulation)
        asked = self.interrupts.received is not None
        passed = self.stepper.passes(phase, batches, self.position.step, self.position.micro_step, asked)
        self.losses.add(passed.loss, passed.labels)
        if self.on_cpu:
            self._check(phase, passed)
        self.stepper.update(phase)
        self.position.step += 1
        self.position.micro_step += len(batches)
        self._after_step(phase, passed)

    def _after_step(self, phase: Phase, passed: Passed) -> None:
        step = self.position.step
        last = step == self.loop.steps
        evaluating = step % self.loop.eval_steps == 0 or last
        saving = last or (step % self.config.checkpoint_steps == 0 if self.config.checkpoint_steps else evaluating)
        reading = evaluating or saving or step % _READ_EVERY == 0
        stopping = (self.on_cpu or reading) and bool(passed.stop > 0)
        if reading:
            if not self.on_cpu:
                self._check(phase, passed)
            self._report(phase)
        if evaluating:
            self._evaluate(phase)
        if saving or stopping:
            self._save(phase)
        if stopping and not last:
            received = self.interrupts.received or signal.SIGTERM
            raise Interrupted(
                f"stopped by {signal.Signals(received).name} after step {step} of {self.loop.steps};"
                f" {self.where_it_stands()}: continue with --resume",
                received,
            )

    def _check(self, phase: Phase, passed: Passed) -> None:
        mixed = self.accelerator.mixed_precision
        precision = mixed if phase.autocast and mixed != "no" else "fp32"
        rate = float(self.stepper.lr_schedule.get_last_lr()[0])
        before = self.losses.before_last()
        step = self.position.step + self.on_cpu
        refuse_lost_numbers(passed.loss.item(), passed.norm.item(), before, step, rate, precision, self.where_it_stands)

    def _report(self, phase: Phase) -> None:
        self.losses.read()
        metric = self.loop.data.metric
        best = {metric: self.outcome.best[metric]} if self.outcome.best else {}
        numbers = {**self._numbers(phase), **best}
        self.progress.update(phase.name, self.position.step, numbers)
        rate = float(self.stepper.lr_schedule.get_last_lr()[0])
        self.accelerator.log({**numbers, "learning_rate": rate}, step=self.position.step)

    def _numbers(self, phase: Phase) -> dict[str, float]:
        """The phase's own and the loss, once there was a label."""
        return {**phase.numbers(), **({} if math.isnan(self.losses.mean) else {"loss": self.losses.mean})}

    def _evaluate(self, phase: Phase) -> None:
        self._read_clock()
        metric, step = self.loop.data.metric, self.position.step
        metrics = self._metrics(phase, phase.outcome)
        best = not self.outcome.best or self.loop.data.better(metrics[metric], self.outcome.best[metric])
        if best:
            self.outcome.best_step, self.outcome.best = step, metrics
            self.outcome.weights = weights_of(phase.outcome, self.accelerator.is_main_process)
        phase.model.train()
        numbers = self._numbers(phase)
        self.outcome.evaluations.append({"step": step, "phase": phase.name, **numbers, **metrics})
        self.progress.evaluated(phase.name, step, {**numbers, **metrics}, best)
        self.accelerator.log({f"validation/{name}": value for name, value in metrics.items()}, step=step)
        self.outcome.evaluation_seconds += time.perf_counter() - self.began
        self.began = time.perf_counter()

    def _metrics(self, phase: Phase, model: PreTrainedModel) -> dict[str, float]:
        with autocast(self.accelerator, phase.autocast), trainable_settings(model):
            return evaluate(model, self.loop.data, self.accelerator, self.config.eval_batch_size)

    def _save(self, phase: Phase) -> None:
        self._read_clock()
        more = {
            "phases": [one.state() for one in self.phases],
            "lr_schedule": self.stepper.lr_schedule.state_dict(),
            "data": self.streams.positions(),
            **self.losses.state(),
        }

        def write(folder: Path) -> None:
            optimizer = self.stepper.optimizer
            snapshot.save(folder, self.accelerator, phase.outcome, optimizer, self.position, self.outcome, more)

        if self.loop.checkpoints.save(self.position.step, write):
            self.saved = self.position.step
