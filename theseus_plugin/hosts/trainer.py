"""Progressive module replacing inside a user's own `transformers.Trainer` script.

Trainer is given the successor, a stock model: that is what it evaluates and saves, and what its checkpoints hold. In
the replacing phase a training pass goes through the predecessor instead, whose slots run the successor's own blocks
wherever a module is replaced; embeddings and head are shared.
"""

from __future__ import annotations

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
from theseus_plugin.methods.replacing.follower import Follower
from theseus_plugin.quiet import quiet
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
        self._follower = Follower(model, configuration({"successor_blocks": successor_blocks, **options}))
        self._assembly = self._follower.assembly
        self.model: PreTrainedModel = self._assembly.successor
        self._passed = False
        self._ended = False
        self._run: dict[str, Any] = {}
        self._processing_class: Any = None
        self._settings = ExitStack()
        self._redirect()

    @property
    def effective_rate(self) -> float:
        """Share of modules that were replaced so far in the passes of the replacing phase; see `Switch`."""
        return self._follower.effective_rate

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
        kept = self._follower.state()
        del kept["step"]  # Trainer keeps it itself
        return {"args": {}, "attributes": {"run": self._run, **kept}}

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
        steps, follower = state.max_steps, self._follower
        refuse_short(follower.config, steps)
        options = follower.config.model_dump(mode="json", exclude={"training"})
        self._run = {"max_steps": steps, "seed": args.seed, **options}
        follower.begin(steps, args.seed)
        if state.global_step:
            self._resume(state)
        self._processing_class = kwargs.get("processing_class")
        self._ended = self._passed = False
        self._prepare(args)
        if follower.due is follower.replacing and not self._assembly.slots:
            raise UserError(
                "this TheseusCallback has let go of its predecessor in an earlier run: load the model anew and build"
                " another; to train the successor on, use a Trainer without it"
            )
        follower.enter(follower.due)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Draw for the step's first pass; let go of the predecessor where the successor phase has begun."""
        follower = self._follower
        follower.step = state.global_step
        follower.before_pass()
        if follower.phase is follower.following:
            self._assembly.drop_predecessor()

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Draw for the step's next pass."""
        self._follower.micro_step += 1
        self._follower.before_pass()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Count the step's last pass."""
        self._follower.micro_step += 1
        if self._follower.phase is self._follower.replacing and not self._passed:
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
        if self._follower.phase is not None and logs is not None and "loss" in logs:
            shown = {"replacing_rate": self._follower.rate}
            logs |= shown
            state.log_history[-1] |= shown

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the stock successor, also where another callback has stopped the run early."""
        self._follower.end()
        self._settings.close()
        self._ended = True

    def _redirect(self) -> None:
        stock = self.model.forward

        @wraps(stock)  # Trainer reads the arguments' names
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.model.training and self._follower.phase is not self._follower.following:
                return self._through_predecessor(*args, **kwargs)
            return stock(*args, **kwargs)

        self.model.forward = forward

    def _through_predecessor(self, *args: Any, **kwargs: Any) -> Any:
        if self._follower.phase is None:
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

    def _resume(self, state: TrainerState) -> None:
        """Take up what `state` gave when the checkpoint was written.

        Not by Trainer's `restore_callback_states_from_checkpoint`, which builds callbacks anew: this one has a model.
        """
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
        self._follower.restore({"step": state.global_step, **kept["attributes"]})

    def _refuse_other_model(self, model: Any) -> None:
        if model is not self.model:
            raise UserError(
                "this Trainer has another model than its TheseusCallback: write Trainer(model=theseus.model, ...)"
            )
