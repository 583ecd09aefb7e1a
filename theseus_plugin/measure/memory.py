"""Memory that a model takes, in a pass of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from theseus_plugin.contract import Evaluator
from theseus_plugin.measure.placement import Placed

if TYPE_CHECKING:
    from theseus_plugin.contract import Task
    from theseus_plugin.measure.models import Model


class MemoryConfig(Placed):
    """Options of `memory`."""

    shape: str = Field("32x64", description="the batch that is run, as BATCHxLENGTH, or BATCH: real examples, padded")

    @field_validator("shape")
    @classmethod
    def _well_written(cls, shape: str) -> str:
        from theseus_plugin.measure.inputs import parse_shape

        parse_shape(shape)
        return shape


class Memory(Evaluator):
    """Resident memory of a process that loads and runs the model. Memory of a graphics card is not counted."""

    name = "memory"
    summary = "Main memory taken by loading and running the model, beyond what its runtime takes"
    Config = MemoryConfig
    config: MemoryConfig

    def evaluate(self, models: Sequence[str], task: Task) -> list[dict[str, Any]]:
        """Per model, in bytes: `baseline_bytes`, resident once the runtime is imported; above that, `loaded_bytes`
        when the model is loaded and `peak_bytes`, the most at any moment of loading and running; `shape`, `device`,
        `threads`, `file`, `sha256`. Bytes are None where the system does not tell.

        Raises:
            UserError: a path that is no model or not for this device, what the task refuses, or a model that cannot
                be run.
        """
        from theseus_plugin.measure.placement import admitted

        return [self._measure(model, task) for model in admitted(models, self.config)]

    def _measure(self, model: Model, task: Task) -> dict[str, Any]:
        from theseus_plugin.measure.child import Child
        from theseus_plugin.measure.inputs import Inputs

        inputs = Inputs.of(task, model)
        [shape] = inputs.shapes([self.config.shape], model.folder)
        with Child(model, task.auto_class, self.config) as child:
            child.receive()
            resident = child.ask("memory", batch=inputs.batch(shape))
        baseline = resident["baseline"]
        above = {
            f"{name}_bytes": None if baseline is None or resident[name] is None else resident[name] - baseline
            for name in ("loaded", "peak")
        }
        return {
            "baseline_bytes": baseline,
            **above,
            "shape": shape,
            "device": self.config.device,
            "threads": self.config.thread_count,
            **model.facts(),
        }
