"""A method: fewer blocks, and nothing trained.

Importing a plugin's module must be cheap: torch, transformers and what needs them are imported in the verb.
"""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field
from theseus_plugin.contract import Method, Result, Task, as_recipe


class EveryOtherConfig(BaseModel):
    """The options; people see their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int = Field(2, ge=2, description="Of so many blocks in a row the first one is kept")
    eval_batch_size: int = Field(64, ge=1, description="Examples per forward pass when evaluating")


class EveryOtherMethod(Method):
    """Keeps the first of every few blocks. What any method that trains should beat."""

    name = "every-other"
    summary = "keep one of every two blocks (or of more) and train nothing"
    Config = EveryOtherConfig
    config: EveryOtherConfig

    def compress(self, predecessor: str, successor: str, task: Task) -> Result:
        """See `Method.compress`.

        Raises:
            UserError: `successor` exists, and what is wrong with the data, the predecessor or the disk.
        """
        from theseus_plugin.checkpoint import count_parameters, load_model, load_processor
        from theseus_plugin.files import complete_folder, refuse_existing, write_json
        from theseus_plugin.provenance import environment
        from theseus_plugin.quiet import quiet
        from theseus_plugin.surgery.stack import find_stacks
        from theseus_plugin.surgery.successor import Cut, build_successor
        from theseus_plugin.training.config import TrainingConfig
        from theseus_plugin.training.evaluation import evaluate
        from theseus_plugin.training.readback import check_folder
        from theseus_plugin.training.run import start_accelerator

        refuse_existing(successor)
        began = time.perf_counter()
        recipe = {"task": as_recipe(task), "method": as_recipe(self)}
        accelerator = start_accelerator(TrainingConfig(precision="fp32"), recipe)
        data = task.load(predecessor, ("validation",))

        old = load_model(predecessor, task.auto_class).to(accelerator.device)
        kept = {stack: range(0, stack.depth, self.config.every) for stack in find_stacks(old)}
        new = build_successor(old, [Cut(stack, blocks, blocks) for stack, blocks in kept.items()])
        before, after = (evaluate(model, data, accelerator, self.config.eval_batch_size) for model in (old, new))

        result = Result(
            kind=self.name,
            model=predecessor,
            output=successor,
            metric=data.metric,
            lower_is_better=sorted(data.lower_is_better),
            before=before,
            after=after,
            parameters={"before": count_parameters(old), "after": count_parameters(new)},
            recipe=recipe,
            training={
                "seconds": round(time.perf_counter() - began, 1),
                "kept": {stack.name: list(blocks) for stack, blocks in kept.items()},
            },
            environment=environment(),
        )
        if accelerator.is_main_process:
            with complete_folder(successor) as folder, quiet():
                new.save_pretrained(folder)
                check_folder(folder, new, task.auto_class, data.head)
                load_processor(predecessor, new).save_pretrained(folder)
                write_json(folder / "result.json", result)
        accelerator.wait_for_everyone()
        return result
