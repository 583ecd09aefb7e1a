"""Progressive module replacing inside a user's own `transformers.Trainer` script.

Trainer is given the successor, a stock model: that is what it evaluates and saves, and what its checkpoints hold. In
the replacing phase a training pass goes through the predecessor instead, whose slots run the successor's own blocks
wherever a module is replaced; embeddings and head are shared.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from theseus_plugin.errors import UserError
from theseus_plugin.files import complete_folder
from theseus_plugin.hosts.trainer_limits import configuration, refuse_arguments, refuse_model, refuse_short
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.replacing.schedules import replacing_steps
from theseus_plugin.quiet import quiet
from theseus_plugin.surgery.plan import notes
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.readback import check_folder
from theseus_plugin.training.training_mode import trainable_settings


class TheseusCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Turns a run of `Trainer` into one of progressive module replacing.

        theseus = TheseusCallback(model, successor_blocks=3)
        trainer = Trainer(model=theseus.model, ..., callbacks=[theseus])
        trainer.train()
        theseus.save("successor")

    Steps, learning rate, batches and the seed of the draws are those of the Trainer's arguments.

    Args:
        model: the fine-tuned predecessor, on any device. It is taken over: load it anew to use it for something else.
        successor_blocks: blocks of the successor, or those of each stack by name.
        options: the other options of `TheseusConfig`, but for `training`, `clip_scope` and `module_costs`.

    Attributes:
        model: the successor, which Trainer is to be given.

    Raises:
        UserError: an unknown or wrong option, or a model that cannot be compressed so.
    """

    def __init__(self, model: PreTrainedModel, successor_blocks: int | dict[str, int], **options: Any) -> None:
        refuse_model(model)
        self._config = configuration({"successor_blocks": successor_blocks, **options})
        self._assembly = assemble(model, self._config)
        for note in notes(self._assembly.plans):
            warnings.warn(note, stacklevel=2)
        self.model: PreTrainedModel = self._assembly.successor
        self._successor_phase = SuccessorPhase(self._assembly, self._config, 0)
        # Trainer's optimizer and DistributedDataParallel take what requires a gradient when training is prepared:
        # that has to be all that either phase trains.
        self._successor_phase.start()
        self._replacing: ReplacingPhase | None = None
        self._phase: ReplacingPhase | SuccessorPhase | None = None
        self._micro_step = 0
        self._passed = False
        self._ended = False
        self._has_predecessor = True
        self._run: dict[str, Any] = {}
        self._processing_class: Any = None
        self._settings = ExitStack()
        self._redirect()

    @property
    def effective_rate(self) -> float:
        """Share of modules that were replaced so far in the passes of the replacing phase; see `Switch`."""
        return self._replacing.switch.effective_rate if self._replacing else 0.0

    def save(self, folder: str | Path) -> None:
        """Write the successor, and the processing class that Trainer was given, to `folder`, complete or not at all.

        Call it on every process; the first one writes.

        Raises:
            UserError: training has not ended, `folder` exists already, it cannot be written, or stock transformers
                would not read it back as it was trained.
        """
        if not self._ended:
            raise UserError(f"{folder}: there is no successor to save yet: call save after trainer.train() has ended")
        state = PartialState()
        if state.is_main_process:
            with complete_folder(folder) as partial, quiet():
                self.model.save_pretrained(partial)
                check_folder(partial, self.model)
                if self._processing_class is not None:
                    self._processing_class.save_pretrained(partial)
        state.wait_for_everyone()

    def state(self) -> dict[str, Any]:
        """What Trainer's checkpoints keep of the run."""
        counts = self._replacing.state() if self._replacing else {}
        return {"args": {}, "attributes": {"run": self._run, "micro_step": self._micro_step, "counts": counts}}

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Refuse what does not go together before any work is done."""
        refuse_arguments(args)
        self._refuse_other_model(kwargs["model"])

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Divide the steps into phases; go back to where the checkpoint was written if Trainer resumes from one."""
        refuse_arguments(args)  # a callback that was added later has not seen the Trainer's beginning
        self._refuse_other_model(kwargs["model"])
        total = state.max_steps
        refuse_short(self._config, total)
        config = self._config.model_copy(update={"training": TrainingConfig(seed=args.seed)})
        options = self._config.model_dump(mode="json", exclude={"training"})
        self._run = {"max_steps": total, "seed": args.seed, **options}
        self._replacing = ReplacingPhase(self._assembly, config, replacing_steps(config.schedule, total), total)
        self._micro_step = 0
        if state.global_step:
            self._resume(state)
        self._processing_class = kwargs.get("processing_class")
        self._ended = False
        self._prepare(args)
        self._begin(self._replacing if state.global_step < self._replacing.steps else self._successor_phase)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Go over to the successor phase where its first step begins; draw for the step's first pass."""
        assert self._replacing is not None
        if self._phase is self._replacing and state.global_step >= self._replacing.steps:
            self._begin(self._successor_phase)
        self._draw(state)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Draw for the step's next pass."""
        self._micro_step += 1
        self._draw(state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Count the step's last pass."""
        self._micro_step += 1
        if self._phase is self._replacing and not self._passed:
            raise UserError(
                "the passes of this Trainer do not reach the predecessor: something has put a forward of its own into"
                " theseus.model (as use_liger_kernel does); leave that out"
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the replacing rate beside the loss."""
        if self._phase is not None and logs is not None and "loss" in logs:
            shown = {"replacing_rate": self._phase.numbers()["p"]}
            logs |= shown
            state.log_history[-1] |= shown

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the stock successor, also where another callback has stopped the run early."""
        self._begin(self._successor_phase)
        self._settings.close()
        self._ended = True

    def _redirect(self) -> None:
        stock = self.model.forward

        @wraps(stock)  # Trainer reads the arguments' names
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.model.training and self._phase is not self._successor_phase:
                return self._through_predecessor(*args, **kwargs)
            return stock(*args, **kwargs)

        self.model.forward = forward

    def _through_predecessor(self, *args: Any, **kwargs: Any) -> Any:
        if self._phase is None:
            raise UserError("theseus.model is being trained without its callback: give Trainer callbacks=[theseus]")
        self._passed = True
        return self._assembly.predecessor(*args, **kwargs)

    def _prepare(self, args: TrainingArguments) -> None:
        """Bring the predecessor, which Trainer does not know, to the state that Trainer has put the successor into."""
        predecessor = self._assembly.predecessor
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):  # Trainer has set them by its processing class
            setattr(predecessor.config, name, getattr(self.model.config, name, None))
        predecessor.to(args.device).train()
        self._settings.close()
        self._settings.enter_context(trainable_settings(predecessor))
        self._settings.enter_context(trainable_settings(self.model))

    def _begin(self, phase: ReplacingPhase | SuccessorPhase) -> None:
        if phase is self._successor_phase and self._has_predecessor:
            self._assembly.drop_predecessor()
            self._has_predecessor = False
        if phase is not self._successor_phase and not self._has_predecessor:
            raise UserError(
                "this TheseusCallback has let go of its predecessor in an earlier run: load the model anew and build"
                " another; to train the successor on, use a Trainer without it"
            )
        self._phase = phase
        self._passed = False
        phase.start()

    def _draw(self, state: TrainerState) -> None:
        assert self._phase is not None
        self._phase.before_forward(state.global_step, self._micro_step)

    def _resume(self, state: TrainerState) -> None:
        """Take up what `state` gave when the checkpoint was written.

        Not by Trainer's `restore_callback_states_from_checkpoint`, which builds callbacks anew: this one has a model.
        """
        assert self._replacing is not None
        kept = state.stateful_callbacks.get(type(self).__name__)
        if kept is None:
            raise UserError("the checkpoint is not of a run with TheseusCallback: choose another output_dir")
        before = kept["attributes"]["run"]
        for name, value in self._run.items():
            if before.get(name) != value:
                raise UserError(
                    f"the checkpoint is of a run with other options ({name} was {before.get(name)!r}, is {value!r}):"
                    " use those to go on, or another output_dir to begin anew"
                )
        self._micro_step = kept["attributes"]["micro_step"]
        self._replacing.restore(kept["attributes"]["counts"])

    def _refuse_other_model(self, model: Any) -> None:
        if model is not self.model:
            raise UserError(
                "this Trainer has another model than its TheseusCallback: write Trainer(model=theseus.model, ...)"
            )
